"""Self-training in rounds: a target of five images, the other side of a batch, a model with a place for labels."""

from types import SimpleNamespace

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmseg.registry import DATASETS, MODELS
from torch.utils.data import Dataset

from sw_mmseg.engine import PseudoLabelFiles
from tests.helpers.tiny_networks import sample, side, tiny_config

METHOD, SIZE, COUNT = 'ClassBalancedSelfTraining', (32, 48), 5
PATHS = [f'/target/{name}.jpg' for name in 'abcde']
PLAIN = {'warmup': 0, 'augmentation': None, 'zoom': 1.0, 'statistics_images': 0}


class Target(Dataset):
    """Five images without labels, packed, always the same."""

    pipeline = SimpleNamespace(transforms=[])

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        state = torch.get_rng_state()
        _, packed = sample(SIZE, labelled=False)
        torch.set_rng_state(state)
        packed.set_metainfo({'img_path': PATHS[index]})
        image = torch.randint(0, 256, (3, *SIZE), dtype=torch.uint8, generator=generator)
        return {'inputs': image // (index + 1), 'data_samples': packed}

    def get_data_info(self, index):
        return {'img_path': PATHS[index]}


@DATASETS.register_module(force=True)
class Pairs(Dataset):
    metainfo = {'classes': tuple('abcde'), 'palette': [[40 * index, 0, 0] for index in range(5)]}

    def __init__(self):
        self.target = Target()

    def __len__(self):
        return 6

    def __getitem__(self, index):
        torch.manual_seed(index)
        source = {key: value[0] for key, value in side(SIZE, 1, labelled=True).items()}
        return {'source': source, 'target': self.target[index % COUNT]}


def build(**kwargs):
    torch.manual_seed(1)
    model = MODELS.build({**tiny_config(METHOD), **PLAIN, **kwargs}).double()
    for parameter in model.segmentor.parameters():  # away from the small initial classifiers
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.segmentor.backbone.norm.running_mean.uniform_(-0.2, 0.2)
    return model.train()


def with_files(model, folder):
    model.files = PseudoLabelFiles(folder, PATHS, Pairs.metainfo['palette'])
    return model


def wrappers_of(model, lr=1.0):
    """Plain descent: with lr 1 parameters change by exactly their gradient."""
    return OptimWrapperDict(segmentor=OptimWrapper(torch.optim.SGD(model.segmentor.parameters(), lr=lr)))


def batch_of(*indices):
    data = Pairs()
    items = [data[index] for index in indices]
    return {
        domain: {key: [item[domain][key] for item in items] for key in ('inputs', 'data_samples')}
        for domain in ('source', 'target')
    }
