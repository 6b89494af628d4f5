# Stages: build (compiler, wheels) → tests; build → the service's image, which is the last.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
# For C code: the package's own, and dependencies that have no wheel for this platform.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# Extras of the package that the image has, with spaces between: celery, parquet.
ARG EXTRAS=
WORKDIR /src
# The dependencies come before the code: a change of code leaves this layer as it is.
COPY pyproject.toml setup.cfg ./
RUN EXTRAS="$EXTRAS" python -c "import configparser, os, tomllib; \
config = configparser.ConfigParser(); config.read('setup.cfg'); \
build = tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires']; \
extras = config['options.extras_require']; \
wanted = [config['options']['install_requires'], *map(extras.get, os.environ['EXTRAS'].split())]; \
open('/run.txt', 'w').write('\n'.join(wanted)); \
open('/test.txt', 'w').write(extras['test']); \
open('/build.txt', 'w').write('\n'.join(build))" \
    && python -m venv --without-pip /opt/plays \
    && pip install --quiet --requirement /build.txt \
    && pip --python /opt/plays/bin/python install --quiet --requirement /run.txt
COPY setup.py README.md LICENSE ./
COPY plays_service plays_service
# A folder of its own, laid over the dependencies below, keeps the code a layer of its own.
RUN pip wheel --quiet --no-build-isolation --no-deps --wheel-dir /wheels . \
    && pip --python /opt/plays/bin/python install --quiet --no-index --no-deps \
        --prefix /opt/package /wheels/*.whl


FROM build AS tests
RUN apt-get update \
    && apt-get install -y --no-install-recommends curl \
    && rm -rf /var/lib/apt/lists/*
RUN pip --python /opt/plays/bin/python install --quiet --requirement /test.txt
# No source tree beside the tests: they run against what is installed.
WORKDIR /tests
RUN cp -r /opt/package/. /opt/plays/ && chmod 1777 .
COPY pyproject.toml README.md ./
COPY docs docs
COPY benchmarks benchmarks
COPY tests tests
ENV PATH=/opt/plays/bin:$PATH
USER 10001:10001
ENTRYPOINT ["python", "-m", "pytest"]


FROM ${BASE}
# Any user may be chosen at the start (`--user`), and must be able to write a new volume.
RUN install -d -m 1777 /data
COPY --from=build /opt/plays /opt/plays
COPY --from=build /opt/package /opt/plays
# The workers' sockets belong in memory, which /dev/shm is even where the root is read-only; without
# a writable /tmp they would go to /data, and stay there when the container is killed.
ENV PATH=/opt/plays/bin:$PATH \
    TMPDIR=/dev/shm \
    PLAYS_HOST=0.0.0.0 \
    PLAYS_PORT=8000 \
    PLAYS_DATA_DIR=/data \
    PLAYS_FSYNC=1
VOLUME /data
WORKDIR /data
EXPOSE 8000
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
    CMD ["python", "-c", "import http.client as h, os, ssl, sys; at = ('localhost', os.environ.get('PLAYS_PORT') or 8000); c = h.HTTPSConnection(*at, timeout=4, context=ssl._create_unverified_context()) if os.environ.get('PLAYS_TLS_CERT') else h.HTTPConnection(*at, timeout=4); c.request('GET', '/health'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["plays-service"]
CMD ["serve"]
ARG VERSION=
ARG REVISION=
LABEL org.opencontainers.image.title="plays-service" \
    org.opencontainers.image.description="Totals per song and date from CSV files of plays, of any size, over HTTP" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
