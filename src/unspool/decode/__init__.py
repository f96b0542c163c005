"""From a model's step to whole sequences: greedy, sampling, beam search; the same for CTC, and for both."""

from unspool.decode.beam import beam_search as beam_search
from unspool.decode.constraints import all_of as all_of
from unspool.decode.constraints import exactly as exactly
from unspool.decode.constraints import no_repeated_ngrams as no_repeated_ngrams
from unspool.decode.constraints import none_of as none_of
from unspool.decode.ctc import ctc_alignment as ctc_alignment
from unspool.decode.ctc import ctc_beam_search as ctc_beam_search
from unspool.decode.ctc import ctc_greedy as ctc_greedy
from unspool.decode.ctc import ctc_score as ctc_score
from unspool.decode.hypothesis import Constraint as Constraint
from unspool.decode.hypothesis import Decodable as Decodable
from unspool.decode.hypothesis import Hypothesis as Hypothesis
from unspool.decode.hypothesis import without_unknown as without_unknown
from unspool.decode.rescoring import rescored as rescored
from unspool.decode.risk import by_risk as by_risk
from unspool.decode.rollout import greedy as greedy
from unspool.decode.rollout import sample as sample
from unspool.decode.steps import Written as Written
from unspool.decode.steps import write_steps as write_steps
