"""The benchmarks: networks and sites are the paper's, measures are counted by hand, and every tool runs shrunk."""

import math
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn

from sw_mmseg.benchmark import features, growth, measure, network_step, networks, newton, norm_layer
from sw_mmseg.whitening import SwitchWhiten2d
from tests.helpers.absent import without

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(one_thread):
    """`bench('norm_layer')` -> the module of that benchmark; the number of threads comes back after."""
    return lambda name: import_module(f'sw_mmseg.commands.benchmark.{name}')


def main_of(command, words):
    return command.main(command.parse_arguments(words))


def test_networks_have_the_published_sizes(bench):
    """torchvision's resnet50 and the convolutions of its vgg16, counted from their published weights."""
    with torch.device('meta'):
        classifier, vgg, pspnet = networks.Classifier(), networks.VGG16DeepLab(), networks.PSPNet()
    assert sum(p.numel() for p in classifier.parameters()) == 25_557_032
    # 14,714,688 in torchvision's thirteen convolutions, and 2 * (64 + 128 + 256 + 512 + 512) in five norms
    groups = [p.numel() for name, p in vgg.named_parameters() if name.startswith(('conv', 'norm'))]
    assert sum(groups) == 14_714_688 + 2944
    assert [m.dilation[0] for m in vgg.classifiers] == [6, 12, 18, 24]
    third, fourth = pspnet.backbone(torch.empty(2, 3, 713, 713, device='meta'))
    assert (third.shape, fourth.shape) == ((2, 1024, 90, 90), (2, 2048, 90, 90))  # 713 -> 357 -> 179 -> 90
    assert pspnet.head[0].in_channels == 2048 + 4 * 512


@pytest.mark.parametrize('name,sites', [('resnet50', 7), ('pspnet7', 7), ('pspnet14', 14), ('vgg16', 5)])
def test_sites_are_the_papers_and_every_network_learns(bench, name, sites):
    step, whitening = network_step, SwitchWhiten2d
    workload = step.NETWORKS[name]
    assert step.sites_of(workload) == sites
    # an image below the resolution of the deepest dilations still trains
    args = bench('network_step').parse_arguments(['--width', '0.05', '--size', '2', '33', '33', '--threads', '1'])
    take = step.build_step(workload, 'SWa', args)
    losses = [take() for _ in range(3)]
    assert all(loss.isfinite() for loss in losses) and losses[0] != losses[2]
    network = workload.build(0.05)
    networks.put_norm(network, step.SITE_NORMS['SWa'], workload.k)
    assert sum(type(m) is whitening for m in network.modules()) == sites
    assert not any(type(m) is whitening for n, m in network.named_modules() if 'layer4' in n)


def test_the_loss_of_pspnet_weighs_its_auxiliary_head(bench):
    """All logits zero but for a bias of log 3 on class 0: p = 3 / (3 + 18), and the same at 0.4 from the other head."""
    network = networks.PSPNet(width=0.05).eval()
    for head in (network.head, network.auxiliary):
        nn.init.zeros_(head[-1].weight)
        head[-1].bias.data = torch.tensor([3.0] + [1.0] * 18).log()
    loss = network(torch.randn(1, 3, 24, 24), torch.zeros(1, 24, 24, dtype=torch.long))
    torch.testing.assert_close(loss, 1.4 * torch.tensor(7.0).log())


def test_peak_memory_is_what_lives_at_once(bench):
    """4 MiB that stay, and in a step 8 and then 2 MiB beside them, 8 of which are gone when 4 more come: 14, not 18."""

    def build():
        kept = torch.empty(2**20)

        def step():
            large = torch.empty(2**21)
            small = torch.empty(2**19)
            del large
            return torch.empty(2**20) if kept is not None and small is not None else None

        return step

    assert measure.peak_mib(build, 'cpu') == pytest.approx(14, abs=0.01)


def test_candidates_take_turns_and_ratios_are_those_of_rounds(bench):
    order = []
    work = {name: lambda name=name: order.append(name) for name in 'ab'}
    times = measure.in_turn(work, 'cpu', rounds=2, warmup=1)
    assert ''.join(order) == 'baabba' and [len(values) for values in times.values()] == [2, 2]
    # the machine is half as fast in the second round: both ratios are 2 all the same, that of the third is 5
    assert measure.median_ratio([2.0, 4.0, 5.0], [1.0, 2.0, 1.0]) == 2
    assert measure.markdown(['a', 'bb'], [['ccc', 'd']]) == '| a   | bb |\n|-----|----|\n| ccc | d  |\n'


def test_a_run_whose_ratio_and_times_disagree_is_repeated_and_never_given(monkeypatch):
    steady = {'base': [1.0, 1.0, 5.0], 'other': [2.0, 2.0, 5.0]}
    wrong = {'base': [1.0, 2.0, 9.0], 'other': [3.0, 2.0, 10.0]}  # medians 3 to 2, ratios 3, 1 and 1.11
    runs = iter([wrong, steady])
    monkeypatch.setattr(measure, 'in_turn', lambda *_: next(runs))
    results = measure.compared({}, 'base', 'cpu', 3, 0)
    assert results['other'] == (2.0, 2.0, [2.0, 2.0, 5.0]) and next(runs, None) is None
    runs = iter([wrong] * measure.ATTEMPTS)
    results = measure.compared({}, 'base', 'cpu', 3, 0)
    assert math.isnan(results['other'].time) and math.isnan(results['other'].ratio) and results['base'].ratio == 1
    assert next(runs, None) is None


def test_slopes_are_exponents(bench):
    assert growth.fit_slope([1, 2, 4, 8], [3.0, 12.0, 48.0, 192.0]) == pytest.approx(2)


def test_the_matrix_of_a_layer_is_newtons(bench):
    """Σ = I has Σ_N = 1/16 on its diagonal, so that the iteration is one of numbers: p ← (3 p − p³/16) / 2."""
    args = bench('newton').parse_arguments(['--threads', '1', '--dtype', 'float64'])
    p = 1.0
    for _ in range(5):
        p = (3 * p - p**3 / 16) / 2
    roots = newton.whitening_matrices(torch.eye(16).repeat(3, 1, 1), 1e-12, ('newton', 5), args)
    torch.testing.assert_close(roots, p / 4 * torch.eye(16, dtype=torch.float64).repeat(3, 1, 1), rtol=1e-9, atol=1e-9)
    assert newton.residual(roots @ roots.mT) == pytest.approx(abs(p * p / 16 - 1), abs=1e-9)


def test_random_covariances_have_the_condition_asked_for(bench):
    values = torch.linalg.eigvalsh(newton.random_covariances(3, 1e3))
    torch.testing.assert_close(values[:, -1] / values[:, 0], torch.full((3,), 1e3, dtype=torch.float64))
    torch.testing.assert_close(values.mean(1), torch.ones(3, dtype=torch.float64))


def test_drawn_images_correlate_over_space_and_colours(bench):

    images = features.draw_images(4, 128)
    assert torch.equal(images, features.draw_images(4, 128)) and images.isfinite().all()

    def correlation(a, b):
        return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]

    near, far = (correlation(images[..., :-step], images[..., step:]) for step in (1, 32))
    assert near > 0.9 and far < near / 2
    assert correlation(images[:, 0], images[:, 2]) > 0.5
    assert [m.shape[1] for m in features.feature_maps(images).values()] == [16, 32, 64, 128]


def test_network_step_writes_table_5(bench, tmp_path, capsys):
    file = tmp_path / 'new' / 'table.md'
    words = '--networks resnet50 pspnet14 --norms SWa --width 0.05 --size 2 33 33 --rounds 2 --warmup 1 --threads 1'
    assert main_of(bench('network_step'), [*words.split(), '--markdown', str(file)]) == 0
    text = file.read_text()
    assert text in capsys.readouterr().out
    assert 'ResNet50, 7 sites, batch 2 of 33×33 (shrunk from 32×224×224), channels × 0.05' in text
    row = next(line for line in text.splitlines() if 'iterative' in line)
    cells = [cell.strip() for cell in row.strip('|').split('|')]
    assert cells[2] == '0.36 (1.33)' and cells[4] == '0.67 (1.29)' and cells[5] == cells[7] == 'unmeasured'
    assert float(cells[3].split()[0]) > 0 and float(cells[6].split()[0]) > 0
    assert text.count('SWa to BN: time') == 2 and f'torch {torch.__version__}' in text


def test_network_step_in_half_precision_and_channels_last(bench, capsys):
    words = '--networks vgg16 --norms SWa --width 0.05 --size 1 32 32 --rounds 1 --warmup 1 --threads 1'
    assert main_of(bench('network_step'), [*words.split(), '--amp', 'bfloat16', '--channels-last']) == 0
    assert 'autocast to bfloat16, channels_last' in capsys.readouterr().out


def test_norm_layer_tabulates_and_draws(bench, tmp_path, capsys, monkeypatch):
    tool = bench('norm_layer')
    monkeypatch.setattr('sw_mmseg.benchmark.growth.BATCHES', [(1, 8), (2, 8), (4, 8)])
    monkeypatch.setattr('sw_mmseg.benchmark.growth.GROUP_BATCH', (1, 8))
    text, plot = tmp_path / 'table.md', tmp_path / 'new' / 'table.png'
    words = ['--shapes', '2x64x8x8', '--rounds', '2', '--threads', '1', '--dtypes', 'float32', 'bfloat16', '--growth']
    assert main_of(tool, [*words, '--markdown', str(text), '--plot', str(plot)]) == 0
    assert plot.read_bytes().startswith(b'\x89PNG')
    text = text.read_text()
    assert text in capsys.readouterr().out
    for norm in ('BatchNorm2d', 'GroupNorm', 'InstanceNorm2d', 'LayerNorm', 'SN', 'BW', 'IW', 'SWa', 'SWb', 'SWa eigh'):
        rows = [line for line in text.splitlines() if line.split('|')[1:2] and line.split('|')[1].strip() == norm]
        # time and memory of two modes in two dtypes; two growths name two norms
        assert len(rows) == 8 + 2 * (norm in ('BatchNorm2d', 'SWa'))
    assert '**growth with N·L' in text and '**growth with D' in text


def test_memory_of_batch_norm_is_known(bench):
    """Forward and backward allocate y and dx of 2*64*32*32 floats, half a MiB each, and a few numbers a channel."""
    args = bench('norm_layer').parse_arguments(['--rounds', '1', '--threads', '1', '--norms', 'SWa'])
    cells = norm_layer.measure((2, 64, 32, 32), 'train', 'float32', args)
    assert 1.0 <= cells['BatchNorm2d'].peak < 2.0 and cells['BatchNorm2d'].saved < 0.01
    assert 0 < cells['SWa'].saved < 0.5 and cells['BatchNorm2d'].ratio == 1
    forward = norm_layer.measure((2, 64, 32, 32), 'eval', 'float32', args)['BatchNorm2d']
    assert forward.peak == pytest.approx(0.5, abs=0.01) and forward.saved == 0


def test_newton_tabulates_what_t_and_eps_do(bench, tmp_path):
    file = tmp_path / 'table.md'
    words = '--iterations 3 5 --eps 1e-5 1e-2 --conditions 1 100 --matrices 4 --images 2 --rounds 2 --threads 1'
    assert main_of(bench('newton'), [*words.split(), '--markdown', str(file)]) == 0
    text = file.read_text()
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if line[:5] == '| 1e+']
    assert [row[0] for row in rows] == ['1e+00', '1e+02'] * 2
    for three, five, exact in (map(float, row[1:]) for row in rows):
        assert three > five > exact
    assert float(rows[3][-1]) > float(rows[1][-1])  # a larger eps whitens less
    assert text.count('convolution 4, 128 channels') == 2


@pytest.mark.parametrize(
    'words,message',
    [
        (['norm_layer', '--shapes', '2x64x8'], r"'2x64x8' is not of the form NxCxHxW"),
        (['norm_layer', '--shapes', '2x20x8x8'], 'C must be a multiple of 16'),
        (['norm_layer', '--rounds', '0'], '--rounds must be at least 1, got 0'),
        (['network_step', '--device', 'nonesuch'], '--device nonesuch cannot be used here'),
        (['adaptation_step', '--device', 'nonesuch'], '--device nonesuch cannot be used here'),
        (['data_loading', '--device', 'nonesuch'], '--device nonesuch cannot be used here'),
        (['network_step', '--norms', 'XYZ'], "invalid choice: 'XYZ'"),
        (['newton', '--eps', '0'], '--eps positive'),
    ],
)
def test_mistakes_are_told_and_end_with_status_2(bench, capsys, words, message):
    with pytest.raises(SystemExit) as stop:
        main_of(bench(words[0]), words[1:])
    assert stop.value.code == 2 and message in capsys.readouterr().err


OTHERS = ('mmcv', 'mmengine', 'mmseg', 'mmdet', 'mmpretrain', 'cv2', 'torchvision', 'triton', 'matplotlib')
ALONE = """
import importlib
from sw_mmseg.commands import TORCH_ALONE
for name in TORCH_ALONE:
    importlib.import_module(f'sw_mmseg.commands.{name.replace(" ", ".")}')
print('alone')
"""


def test_they_need_torch_alone():
    words = [sys.executable, '-W', 'ignore', '-c', without(*OTHERS) + ALONE]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stdout.strip() == 'alone', done.stderr


def test_bars_and_lines_have_the_colours_of_the_norms():
    from sw_mmseg.benchmark import norms, plots

    looks = {name: plots._look(name) for name in norms.NORMS}
    assert looks['BatchNorm2d']['color'] == '#a3a8af' and looks['SWa'] == {'color': '#0072b2', 'alpha': 1.0}
    assert looks['SWa eigh'] == {'color': '#0072b2', 'alpha': 0.55}
