"""The demo of a moment, as words of a command line: one norm, two images to test on."""

__all__ = ['TINY_DEMO']

TINY_DEMO = (
    *('--size', '64x32', '--images', '4', '--test-images', '2'),
    *('--rows', 'bn', '--pictures', '2', '--iterations', '2'),
)
