"""What the doctor says of versions, GPUs, compilers and kernels, of machines that are not this one."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from sw_mmseg.commands import doctor
from sw_mmseg.doctor.findings import BROKEN, FINE, NOTE, Finding, lines, status
from sw_mmseg.doctor.machine import judge_gpu, judge_kernels
from sw_mmseg.doctor.versions import TESTED, examine_imports, examine_versions

ROOT = Path(__file__).resolve().parents[2]


def test_the_tested_versions_are_those_of_the_constraints():
    lines_of_file = (ROOT / 'requirements/constraints.txt').read_text().splitlines()
    pins = [Requirement(line) for line in lines_of_file if line and not line.startswith('#')]
    versions = {pin.name.lower().replace('_', '-'): next(iter(pin.specifier)).version for pin in pins}
    assert {'torch', 'onedl-mmengine', 'gradio', 'triton'} <= set(TESTED)
    assert {name: versions[name] for name in TESTED} == TESTED


def installed(**versions):
    """A machine with these packages and no other."""

    def version_of(name):
        try:
            return versions[name.replace('-', '_')]
        except KeyError:
            raise metadata.PackageNotFoundError(name) from None

    return version_of


def test_versions_are_judged_by_what_is_asked_for_and_what_was_tested():
    asked = ['torch>=2.7,<2.12', 'timm>=1.0', 'numpy>=1.26,<3', 'opencv-python>=4.8', 'onnx>=1; extra == "export"']
    machine = installed(torch='2.13.0', numpy='2.0.0', opencv_python_headless=TESTED['opencv-python'])
    torch, timm, numpy, opencv = examine_versions(asked, machine)
    assert (torch.state, torch.mend) == (BROKEN, f'pip install torch=={TESTED["torch"]}')
    assert (timm.state, timm.text) == (BROKEN, 'is not installed')
    assert (numpy.state, numpy.text) == (NOTE, f'2.0.0; the tests ran with {TESTED["numpy"]}')
    assert opencv.state == FINE
    (build,) = examine_versions(['torch>=2.7'], installed(torch=f'{TESTED["torch"]}+cpu'))
    assert build.state == FINE


def test_packages_that_do_not_fit_each_other_are_told_with_what_mends_them():
    def load(name):
        if name == 'torchvision':
            raise RuntimeError('operator torchvision::nms does not exist\nand more')

    (finding,) = examine_imports(load)
    assert finding.text == 'cannot be imported: RuntimeError: operator torchvision::nms does not exist'
    assert finding.mend.endswith(f'torch=={TESTED["torch"]} torchvision=={TESTED["torchvision"]}')


def test_gpus():
    assert judge_gpu(True, '12.8', True, 'H100').text == 'H100, CUDA 12.8'
    assert judge_gpu(False, None, False).state == FINE
    assert 'built for CPUs alone' in judge_gpu(False, None, True).text
    assert judge_gpu(False, '12.8', True).state == BROKEN


def test_kernels():
    assert judge_kernels('cpu', 'cpu', None, ['cc']) == Finding(
        FINE, 'whitening on cpu', 'computes with C, compiled by cc'
    )
    assert judge_kernels('cpu', 'torch_backend', None, None).mend == 'sudo apt install gcc'
    assert judge_kernels('cpu', 'torch_backend', 'torch', ['cc']).mend == 'unset SW_MMSEG_KERNELS'
    assert judge_kernels('cuda', 'torch_backend', None, None).state == NOTE


def test_this_machine_is_told_with_the_kernels_that_it_has(capsys):
    assert doctor.main(doctor.parse_arguments([])) == 0
    told = capsys.readouterr().out
    assert 'whitening on cpu' in told and told.endswith('nothing is broken\n')


def test_one_broken_thing_is_an_exit_status_and_its_mending_a_line():
    findings = [Finding(FINE, 'a', 'good'), Finding(BROKEN, 'longer', 'bad', 'pip install x')]
    assert status(findings) == 1 and status(findings[:1]) == 0
    assert lines(findings)[1:] == ['BROKEN  longer  bad', '                mend it: pip install x']
