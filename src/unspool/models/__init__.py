"""Whole networks: an encoder–decoder, the plain network beside it, and a classifier of sequences."""

from unspool.models.assembly import classifier as classifier
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
from unspool.models.pooling import AttentionPooling as AttentionPooling
from unspool.models.pooling import JoinedPooling as JoinedPooling
from unspool.models.pooling import LastPooling as LastPooling
from unspool.models.pooling import MaxPooling as MaxPooling
from unspool.models.pooling import MeanPooling as MeanPooling
from unspool.models.pooling import Pooled as Pooled
from unspool.models.pooling import Pooling as Pooling
from unspool.models.seq2seq import EncoderDecoder as EncoderDecoder
from unspool.models.seq2vec import Classifier as Classifier
from unspool.models.seq2vec import Told as Told
from unspool.models.seq2vec import calibrated as calibrated
