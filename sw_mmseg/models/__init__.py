"""Networks: norms by name, backbones, the DeepLab-v2 head, discriminators, preprocessing, pretrained weights."""

from sw_mmseg.models import norms
from sw_mmseg.models.adaptsegnet_resnet import AdaptSegNetResNet
from sw_mmseg.models.cifar_resnet import CIFARResNet
from sw_mmseg.models.daformer_head import DAFormerHead
from sw_mmseg.models.deeplab_v2 import DeepLabV2Head
from sw_mmseg.models.discriminator import LevelDiscriminators, OutputDiscriminator
from sw_mmseg.models.efficientnet_lite import EfficientNetLite
from sw_mmseg.models.from_batchnorm import start_as_batchnorm
from sw_mmseg.models.instance_batch_norm import InstanceBatchNorm2d
from sw_mmseg.models.light_fpn_head import LightFPNHead
from sw_mmseg.models.preprocessor import DomainPreprocessor
from sw_mmseg.models.pretrained import ImageNetPretrained, PretrainedError, load_pretrained, read_checkpoint
from sw_mmseg.models.segmentor import MultiLevelSegmentor
from sw_mmseg.models.sites import place_sites, switch_sites
from sw_mmseg.models.sync_batchnorm import SyncBatchNorm
from sw_mmseg.models.timm_features import TimmFeatures
from sw_mmseg.models.token_pyramid import TokenPyramid
from sw_mmseg.models.tuning import merge_lora
from sw_mmseg.models.vgg import VGG16DeepLab

__all__ = [
    'AdaptSegNetResNet',
    'CIFARResNet',
    'DAFormerHead',
    'DeepLabV2Head',
    'DomainPreprocessor',
    'EfficientNetLite',
    'ImageNetPretrained',
    'InstanceBatchNorm2d',
    'LevelDiscriminators',
    'LightFPNHead',
    'MultiLevelSegmentor',
    'OutputDiscriminator',
    'PretrainedError',
    'SyncBatchNorm',
    'TimmFeatures',
    'TokenPyramid',
    'VGG16DeepLab',
    'load_pretrained',
    'merge_lora',
    'norms',
    'place_sites',
    'read_checkpoint',
    'start_as_batchnorm',
    'switch_sites',
]
