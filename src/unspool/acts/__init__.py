"""Dialogue acts: how they are written, and their values in a text as slots.

act = acts.parse("inform(name='red door cafe';kidsallowed=yes)")        # Act(kind="inform", slots=(…))
text = acts.delexicalise(act, "red door cafe allows children")          # "SLOT_NAME allows children"
acts.required(act)                                                      # ("SLOT_NAME",): to be said, each once
acts.fill(act, text)                                                    # "red door cafe allows children"
acts.shape(act)                                                         # "inform(kidsallowed=yes;name=SLOT_NAME)"
"""

from unspool.acts.notation import Act as Act
from unspool.acts.notation import Slot as Slot
from unspool.acts.notation import parse as parse
from unspool.acts.slots import delexicalise as delexicalise
from unspool.acts.slots import features as features
from unspool.acts.slots import fill as fill
from unspool.acts.slots import is_token as is_token
from unspool.acts.slots import references as references
from unspool.acts.slots import required as required
from unspool.acts.slots import shape as shape
from unspool.acts.wording import words as words
