"""What the adaptation study compares: norms, methods, variations, and the package's code that each depends on."""

from __future__ import annotations

# Methods as tables name them, and the package's code that they alone depend on.
METHODS = {
    'sourceonly': ('source only', ()),
    'jitter': ('source only, jitter', ()),
    'isw': ('source only, ISW', (
        *(f'adaptation/{name}.py' for name in ('instance_selective', 'levels', 'photometric', 'randomness')),
        'losses/instance_selective.py')),
    'adaptsegnet': ('AdaptSegNet', ('adaptation/adaptsegnet.py', 'adaptation/levels.py', 'losses/adversarial.py',
                                    'models/discriminator.py')),
    'minent': ('entropy minimisation', ('adaptation/entropy.py', 'adaptation/levels.py', 'losses/entropy.py')),
    'fda': ('Fourier exchange, entropy (FDA)', ('adaptation/entropy.py', 'adaptation/levels.py', 'datasets/fourier.py',
                                                'losses/entropy.py')),
    'advent': ('AdvEnt', ('adaptation/advent.py', 'adaptation/adaptsegnet.py', 'adaptation/levels.py',
                          'losses/adversarial.py', 'losses/entropy.py', 'models/discriminator.py')),
    'dacs': ('self-training (DACS)', ('adaptation', 'datasets/rare_class.py')),
    'mic': ('DACS + masked images (MIC)', ('adaptation', 'datasets/rare_class.py')),
    'oracle': ('target labels (oracle)', ()),
}
SHARED = (
    'engine/optimizers.py',
    *(f'adaptation/{name}.py' for name in ('base', 'estimate', 'estimate_switches', 'statistics')),
    *(f'datasets/{name}.py' for name in ('base', 'cityscapes', 'domain_pair', 'gta5', 'labels', 'loading', 'positions',
                                         'sampler', 'unlabelled')),
    *(f'models/{name}.py' for name in ('deeplab_v2', 'instance_batch_norm', 'norms', 'preprocessor', 'segmentor',
                                       'vgg')))
WHITENED = ('sn', 'bw', 'iw', 'sw', 'swb')  # norms of sw_mmseg/whitening
# Switches at other rates (the configs' is 100 times the network's; 0 leaves them uniform), other batches, and running
# statistics that both domains move.
VARIATIONS = {
    'switches1': {'mean_logits.lr_mult': 1.0, 'cov_logits.lr_mult': 1.0},
    'switches10': {'mean_logits.lr_mult': 10.0, 'cov_logits.lr_mult': 10.0},
    'uniform': {'mean_logits.lr_mult': 0.0, 'cov_logits.lr_mult': 0.0},
    'batch1': {'batch_size': 1}, 'batch2': {'batch_size': 2}, 'batch4': {'batch_size': 4},  # the configs' is 2
    'both': {'statistics_from': 'both'},
}
