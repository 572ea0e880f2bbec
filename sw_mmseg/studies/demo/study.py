"""Configs, data and finished rows of one call of the demo."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from mmengine.config import Config
from torch.utils.data import DataLoader
from tqdm import tqdm

from sw_mmseg.adaptation import running_layers
from sw_mmseg.datasets import labels
from sw_mmseg.datasets.label_scan import usable_cores
from sw_mmseg.datasets.streets import generate_streets
from sw_mmseg.running import data_sets, records, scoring, training
from sw_mmseg.running.categories import GroupScore
from sw_mmseg.running.command_line import commands_of_here, size_text
from sw_mmseg.running.data_sets import labelled_images, unlabelled_images
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.named_configs import load_named
from sw_mmseg.running.training import Run
from sw_mmseg.studies.demo import rows as demo_rows
from sw_mmseg.studies.demo import trainings
from sw_mmseg.studies.demo.charts import label, shown_networks
from sw_mmseg.studies.demo.report import Results
from sw_mmseg.studies.demo.rows import ADVERSARIAL, SOURCE_ONLY, STATISTICS, SWITCHES, TREATMENTS, Row
from sw_mmseg.studies.demo.samples import labelled_sheet, places

__all__ = ['Demo']

CODE = ((__name__, 'Demo'),)  # what rows depend on, beside the config


class Demo:
    """Configs, data and finished rows of one call."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.done = args, 0
        self.quiet = False  # of what other processes have announced
        networks = [args.only] if args.only else args.rows
        self.total = sum(len(trainings.treatments(args, network)) for network in networks) * len(args.seeds)
        self.target = self.generate(args.data, 0, args.images, args.images, args.test_images)
        # source images that no training sees: another seed of the same domain
        self.unseen = self.generate(args.work_dir / 'unseen_source', 1, args.test_images, 0, 0)

    def generate(self, out: Path, seed: int, source: int, target_train: int, target_val: int) -> Path:
        """Streets in `out`; quick when they are there."""
        size = self.args.size
        if not self.args.only:
            print(f'streets in {out}', flush=True)
        with tqdm(unit=' images', leave=False, disable=None) as bar:

            def show(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            try:
                return generate_streets(
                    out, self.args.variant, size, source, target_train, target_val, seed, usable_cores(), progress=show
                )
            except (FileExistsError, ValueError) as error:
                raise UserError(f'{error} (--data DIR lets the demo use another folder)') from error

    def config(self, run: Run) -> Config:
        """The run's config as `tools/train.py` would have it."""
        config = load_named(trainings.CONFIGS[run.treatment].format(run.network))
        config.merge_from_dict(run.options)
        config.work_dir = str(run.folder)
        config.randomness = {'seed': run.seed}
        return config

    def run(self, network: str, treatment: str, seed: int) -> Run:
        """One training."""
        return trainings.run_of(self.args, self.target, network, treatment, seed)

    @cached_property
    def base(self) -> Config:
        """The first adversarial config: its data sets are everyone's."""
        return self.config(self.run(self.args.rows[0], ADVERSARIAL, self.args.seeds[0]))

    @cached_property
    def tests(self) -> dict[str, DataLoader]:
        """Domain -> loader of its images that no training saw."""
        return data_sets.test_loaders(self.base, self.unseen / 'gta5')

    @cached_property
    def shown(self) -> list[int]:
        """Test images to show, evenly spread."""
        return places(self.args.pictures, len(self.tests['target'].dataset))

    def rows(self, network: str, seed: int) -> list[tuple[Row, list]]:
        """The rows of one network, each with its predictions for the images to show."""
        alone, *adapted = (self.run(network, treatment, seed) for treatment in trainings.treatments(self.args, network))
        return [*self.source_rows(alone), *(self.adapted_row(run, alone) for run in adapted)]

    def source_rows(self, run: Run) -> list[tuple[Row, list]]:
        """Source only; the same network with its switches learnt again, where it has any; and, as it was trained
        otherwise, with statistics of the target's training images."""
        config = self.config(run)
        mark = self.mark(config)
        files = {
            treatment: demo_rows.row_file(self.args.work_dir, run.network, treatment, run.seed)
            for treatment in (SOURCE_ONLY, SWITCHES, STATISTICS)
        }  # the last is written last
        saved_rows = {treatment: demo_rows.read_row(file, mark) for treatment, file in files.items()}
        command = self.announce(run, bool(saved_rows[STATISTICS]))
        if saved_rows[STATISTICS]:
            return [row for row in saved_rows.values() if row]
        model, seconds = training.train(run, config, mark, f'    {run.label}')
        kept = 'source' if running_layers(model) else 'none kept'
        rows = {SOURCE_ONLY: self.measure(run, model, SOURCE_ONLY, kept, seconds, command)}
        trained = {key: value.clone() for key, value in model.state_dict().items()}
        images = data_sets.build_loader(labelled_images(config), 4, seed=0)
        steps, seconds = scoring.learn_switches(model, images, self.batches)
        if steps:
            again = self.estimation_command(run, '--switches', 'source', '--keep-statistics')
            rows[SWITCHES] = self.measure(run, model, SWITCHES, kept, seconds, again)
            model.load_state_dict(trained)
        images = data_sets.build_loader(unlabelled_images(config, self.target_images), 4, seed=0)
        layers, seconds = scoring.estimate(model, images, self.batches)
        if layers:
            kept, command = 'target, re-estimated', self.estimation_command(run, '--images-from', self.target_images)
        rows[STATISTICS] = self.measure(run, model, STATISTICS, kept, seconds, command)
        for treatment, row in rows.items():
            demo_rows.write_row(files[treatment], mark, *row)
        return list(rows.values())

    def adapted_row(self, run: Run, start: Run) -> tuple[Row, list]:
        """A method that sees the target, from the network of `start` on; its policy of running statistics named."""
        config = self.config(run)
        mark = self.mark(config, self.mark(self.config(start)))
        file = demo_rows.row_file(self.args.work_dir, run.network, run.treatment, run.seed)
        saved_row = demo_rows.read_row(file, mark)
        command = self.announce(run, bool(saved_row))
        if saved_row:
            return saved_row
        model, seconds = training.train(run, config, mark, f'    {run.label}')
        kept = f'{config.model.statistics_from}, in training' if running_layers(model) else 'none kept'
        result = self.measure(run, model, run.treatment, kept, seconds, command)
        demo_rows.write_row(file, mark, *result)
        return result

    def measure(self, run: Run, model, treatment: str, kept: str, seconds: float, command: str) -> tuple[Row, list]:
        """A row: the model as it is, on unseen images of both domains."""
        with training.quiet(run.folder / 'console.log'):
            groups = GroupScore(labels.CATEGORIES, self.tests['target'].dataset.metainfo['classes'])
            target, pictures = scoring.test(model, self.tests['target'], self.shown, groups)
            source, _ = scoring.test(model, self.tests['source'])
        row = Row(
            run.network,
            treatment,
            run.seed,
            kept,
            target,
            source,
            groups.iou,
            seconds,
            command,
            scoring.switch_ratios(model),
        )
        print(
            f'    {label(row)}: target mIoU {scoring.miou(target):.1f} (7 categories: {scoring.miou(groups.iou):.1f}), '
            f'source {scoring.miou(source):.1f}',
            flush=True,
        )
        return row, pictures

    @property
    def target_images(self) -> Path:
        """Folder of the target's training images."""
        return self.target / 'cityscapes' / 'leftImg8bit' / 'train'

    @property
    def batches(self) -> int:
        """Batches of four images to re-estimate on: statistics those of the target, switches those of the source."""
        return -(-min(200, self.args.images) // 4)

    def mark(self, config: Config, start: str = '') -> str:
        """Fingerprint of all that a row depends on; `start` is that of the network it goes on from."""
        manifests = [p.read_text() for root in (self.target, self.unseen) for p in sorted(root.glob('*.json'))]
        return records.fingerprint(config, manifests, self.shown, self.batches, TREATMENTS, start, code=CODE)

    def announce(self, run: Run, finished: bool) -> str:
        """Print the equivalent command; count the training."""
        self.done += 1
        if not self.quiet:
            print(
                f'[{self.done}/{self.total}] {run.label}, seed {run.seed}{": done before" if finished else ""}\n'
                f'    {commands_of_here(run.command())}',
                flush=True,
            )
        return run.command()

    def estimation_command(self, run: Run, *options: object) -> str:
        """What re-estimates statistics or switches from the command line."""
        last = f'{run.folder}/iter_{self.config(run).train_cfg.max_iters}.pth'
        name = 'switches' if '--switches' in options else 'target'
        words = [run.config, last, f'{run.folder}/{name}.pth', *options, '--images', 4 * self.batches]
        text = shlex.join(['python', 'tools/analysis/reestimate_statistics.py', *map(str, words)])
        return f'{text}{run.choices()}{run.settings()}'

    def pictures(self, rows: list[tuple[Row, list]]) -> list[dict]:
        """Image, truth and the predictions of the networks to compare, one dict a test image."""
        chosen = {label(row) for row in shown_networks([row for row, _ in rows])}
        seed = rows[0][0].seed
        sheets = []
        for position, index in enumerate(self.shown):
            sheet = labelled_sheet(self.tests['target'].dataset[index])
            sheet |= {label(row): kept[position] for row, kept in rows if row.seed == seed and label(row) in chosen}
            sheets.append(sheet)
        return sheets

    def results(self, rows: list[tuple[Row, list]], photographs: Sequence[dict] = ()) -> Results:
        """What the report shows."""
        args, meta = self.args, self.tests['target'].dataset.metainfo
        folders = {
            name: self.run(name, ADVERSARIAL, args.seeds[0]).folder
            for name in args.rows
            if ADVERSARIAL in trainings.treatments(args, name)
        }
        draw = (
            f'python tools/dataset_converters/streets.py {shlex.quote(str(args.data))} --variant {args.variant} '
            f'--size {size_text(args.size)} --source {args.images} --target-train {args.images} '
            f'--target-val {args.test_images}'
        )
        commands = dict.fromkeys([draw, *(row.command for row, _ in rows)])  # each once
        return Results(
            [row for row, _ in rows],
            self.pictures(rows),
            meta['classes'],
            meta['palette'],
            folders,
            list(commands),
            *trainings.lengths(args),
            args.variant,
            len(self.tests['target'].dataset),
            photographs,
        )
