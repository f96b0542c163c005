"""Tasks: what a recipe's columns and model mean together, by the shape of the problem."""

from collections.abc import Mapping

from unspool.fields import Field, NotesField, RowsField, StrokesField
from unspool.recipes import EncoderWithHeadSpec, LanguageModelSpec, Recipe, VectorDecoderSpec
from unspool.tasks.base import Prediction as Prediction
from unspool.tasks.base import Task as Task
from unspool.tasks.candidates import SequenceToCandidate as SequenceToCandidate
from unspool.tasks.language import LanguageModelling as LanguageModelling
from unspool.tasks.seq2seq import SequenceToSequence as SequenceToSequence
from unspool.tasks.seq2vec import SequenceToVector as SequenceToVector
from unspool.tasks.sequence_objective import SequenceObjective as SequenceObjective
from unspool.tasks.vec2seq import VectorToSequence as VectorToSequence
from unspool.tasks.writing import ToSteps as ToSteps


def task_of(recipe: Recipe, fields: Mapping[str, Field]) -> Task:
    """The task that a recipe's model stands for.

    Raises:
        RecipeError: columns or fields that its model can't take.
    """
    if isinstance(recipe.model, EncoderWithHeadSpec):
        return (SequenceToVector if recipe.model.candidates is None else SequenceToCandidate)(recipe, fields)
    if isinstance(recipe.model, LanguageModelSpec):
        return LanguageModelling(recipe, fields)
    outputs = [fields[name] for name in recipe.outputs]
    if isinstance(recipe.model, VectorDecoderSpec) and isinstance(outputs[0], NotesField | RowsField | StrokesField):
        return ToSteps(recipe, fields)
    return (VectorToSequence if isinstance(recipe.model, VectorDecoderSpec) else SequenceToSequence)(recipe, fields)
