"""Examples: from files or known data sets to tables, from tables to batches. Nothing has to fit into memory.

tables = data.load(source="cmudict")                             # {"train": Table, "valid": Table, "test": Table}
field.fit(tables["train"].column("word"))
encoded = data.encode(tables["train"], {"word": field, …})       # memory-mapped arrays
order = data.Order([encoded.lengths("word"), …], tokens=4096, seed=0)
for cursor, rows in order.from_cursor(cursor):                   # endless; the cursor can be saved
    batch = encoded.batch(rows)                                  # a `Ragged` a column, and ids
"""

from unspool.data.batch import Batch as Batch
from unspool.data.describe import Description as Description
from unspool.data.describe import describe as describe
from unspool.data.dialogues import replies as replies
from unspool.data.encoded import Encoded as Encoded
from unspool.data.encoded import encode as encode
from unspool.data.loading import load as load
from unspool.data.named import NAMED as NAMED
from unspool.data.order import Cursor as Cursor
from unspool.data.order import Order as Order
from unspool.data.order import back_in_order as back_in_order
from unspool.data.order import in_order as in_order
from unspool.data.parts import Split as Split
from unspool.data.periods import Periods as Periods
from unspool.data.running import running_text as running_text
from unspool.data.shares import shares as shares
from unspool.data.sources import read as read
from unspool.data.streams import Streams as Streams
from unspool.data.tables import Column as Column
from unspool.data.tables import Table as Table
from unspool.data.vectors import WordVectors as WordVectors
from unspool.data.vectors import embed as embed
from unspool.data.vectors import read_vectors as read_vectors
from unspool.data.views import viewed as viewed
