"""Which checkpoint a run goes on from."""

import pytest
import torch
from mmengine.config import Config

from sw_mmseg.running.checkpoints import fitting
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.newest_checkpoint import checkpoints_by_age, newest_whole
from sw_mmseg.running.train_options import use_checkpoint


def save(folder, *numbers, kind='iter'):
    for number in numbers:
        torch.save(
            {'state_dict': {'w': torch.full((50,), float(number))}, 'message_hub': {}}, folder / f'{kind}_{number}.pth'
        )


def test_by_number_whatever_the_order_of_writing(tmp_path):
    save(tmp_path, 90, 100, 9)
    (tmp_path / 'best_mIoU_iter_300.pth').touch()
    (tmp_path / '.iter_200.77.part.pth').touch()
    assert [file.name for file in checkpoints_by_age(tmp_path)] == ['iter_100.pth', 'iter_90.pth', 'iter_9.pth']


def test_what_the_pointer_names_comes_first_unless_a_later_one_is_there(tmp_path):
    save(tmp_path, 10, 20)
    save(tmp_path, 1, kind='mine')
    for text, first in (
        ('/moved/away/mine_1.pth', 'mine_1.pth'),
        ('/moved/away/iter_10.pth', 'iter_20.pth'),
        ('', 'iter_20.pth'),
        ('/gone/iter_30.pth', 'iter_20.pth'),
    ):
        (tmp_path / 'last_checkpoint').write_text(text)
        assert checkpoints_by_age(tmp_path)[0].name == first, text


def test_damaged_ones_are_passed_over_and_named(tmp_path, capsys):
    save(tmp_path, 10, 20, 30, 40)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_40.pth'))
    whole = (tmp_path / 'iter_40.pth').read_bytes()
    (tmp_path / 'iter_40.pth').write_bytes(whole[: len(whole) // 2])
    (tmp_path / 'iter_30.pth').write_bytes(b'')
    torch.save([1, 2], tmp_path / 'iter_20.pth')
    newest, faults = newest_whole(tmp_path)
    assert newest == tmp_path / 'iter_10.pth' and len(faults) == 3
    config = Config({'work_dir': str(tmp_path)})
    use_checkpoint(config, 'auto')
    assert config.resume and config.load_from == str(newest)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and 'iter_40.pth is cut short' in lines[0] and 'iter_30.pth is empty' in lines[1]
    assert 'iter_20.pth holds no state of a training' in lines[2] and f'going on from {newest}' in lines[3]
    newest.unlink()
    with pytest.raises(UserError, match='no whole checkpoint'):
        use_checkpoint(config, 'auto')


def test_weights_that_are_not_finite_are_refused():
    model = torch.nn.BatchNorm1d(2)
    state = model.state_dict() | {'running_var': torch.tensor([1.0, float('nan')])}
    with pytest.raises(UserError, match='iter_5.pth holds values that are not finite in 1 of 5 entries, running_var'):
        fitting(model, state, 'iter_5.pth')
    assert fitting(model, model.state_dict(), 'iter_5.pth').keys() == model.state_dict().keys()
