# syntax=docker/dockerfile:1
# UNTRIED: this file has not been built yet; it was read against Docker's reference by hand.
#
#     docker build --tag sw_mmseg .                                                    # CPU
#     docker build --tag sw_mmseg --build-arg INDEX=https://download.pytorch.org/whl/cu128 .   # GPU
#     docker run --rm --volume "$PWD:/data" sw_mmseg predict CONFIG CHECKPOINT /data/images /data/out
#     docker run --rm --gpus all --volume "$PWD:/data" sw_mmseg adapt …
#
# EXTRAS are those of setup.cfg that the image holds. opencv's headless build goes on last: it needs no libGL.
FROM python:3.11-slim

ARG INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=weights,export

# The C compiler builds the CPU kernels of the layer when they are first used.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev libgomp1 \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/sw_mmseg
COPY requirements/constraints.txt requirements/
RUN grep -E '^torch(vision)?==' requirements/constraints.txt > torch.txt \
 && pip install --no-cache-dir --index-url "$INDEX" --requirement torch.txt

COPY setup.cfg pyproject.toml MANIFEST.in README.md LICENSE ./
COPY configs configs
COPY tools tools
COPY sw_mmseg sw_mmseg
RUN pip install --no-cache-dir --constraint requirements/constraints.txt ".[$EXTRAS]" \
 && pip install --no-cache-dir --constraint requirements/constraints.txt --no-deps --force-reinstall \
    opencv-python-headless

RUN useradd --create-home user
USER user
WORKDIR /data
ENTRYPOINT ["sw-mmseg"]
CMD ["--help"]
