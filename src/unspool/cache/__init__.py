"""The cache: what was made once, in folders that are whole or not there, as many as fit into its limit.

folder = cache.entry("encoded", cache.key(table, field), write)     # made by `write(folder)`, unless it is there
"""

from unspool.cache.bound import GIB as GIB
from unspool.cache.bound import limit as limit
from unspool.cache.bound import size as size
from unspool.cache.entries import entry as entry
from unspool.cache.entries import home as home
from unspool.cache.entries import key as key
from unspool.cache.entries import whole as whole
