"""Whole networks: an encoder–decoder, and the plain network beside it."""

from unspool.models.assembly import encoder_decoder as encoder_decoder
from unspool.models.assembly import plain_network as plain_network
from unspool.models.bridge import Bridge as Bridge
from unspool.models.bridge import LastBridge as LastBridge
from unspool.models.bridge import LearnedBridge as LearnedBridge
from unspool.models.bridge import MeanBridge as MeanBridge
from unspool.models.decoder import Decoded as Decoded
from unspool.models.decoder import Decoder as Decoder
from unspool.models.decoder import DeepDecoder as DeepDecoder
from unspool.models.decoder import FeedingDecoder as FeedingDecoder
from unspool.models.encoder import Encoded as Encoded
from unspool.models.encoder import Encoder as Encoder
from unspool.models.objective import Objective as Objective
from unspool.models.plain import PlainNetwork as PlainNetwork
from unspool.models.seq2seq import EncoderDecoder as EncoderDecoder
