"""Recipes: all that makes a run, as one YAML file."""

from unspool.recipes.examples import DataSpec as DataSpec
from unspool.recipes.examples import FieldSpec as FieldSpec
from unspool.recipes.examples import LabelSpec as LabelSpec
from unspool.recipes.examples import LabelsSpec as LabelsSpec
from unspool.recipes.examples import NumberSpec as NumberSpec
from unspool.recipes.examples import PartsSpec as PartsSpec
from unspool.recipes.examples import SplitSpec as SplitSpec
from unspool.recipes.examples import TextSpec as TextSpec
from unspool.recipes.importing import imported as imported
from unspool.recipes.learning import AveragingSpec as AveragingSpec
from unspool.recipes.learning import DecodeSpec as DecodeSpec
from unspool.recipes.learning import TrainSpec as TrainSpec
from unspool.recipes.loading import load as load
from unspool.recipes.loading import names as names
from unspool.recipes.loading import schema as schema
from unspool.recipes.loading import source as source
from unspool.recipes.network import AttentionSpec as AttentionSpec
from unspool.recipes.network import DecoderSpec as DecoderSpec
from unspool.recipes.network import EncoderDecoderSpec as EncoderDecoderSpec
from unspool.recipes.network import EncoderSpec as EncoderSpec
from unspool.recipes.network import EncoderWithHeadSpec as EncoderWithHeadSpec
from unspool.recipes.network import PlainSpec as PlainSpec
from unspool.recipes.network import VectorDecoderSpec as VectorDecoderSpec
from unspool.recipes.recipe import Recipe as Recipe
from unspool.recipes.section import ImportedSpec as ImportedSpec
from unspool.recipes.values import Every as Every
