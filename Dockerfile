# The training program (model/) with what it needs, and nothing else. Builds with BuildKit and with the classic builder.
# Pin the base by digest (BASE=python:3.13-slim-trixie@sha256:...) to have its updates only when you say so.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
# `dask` to train over several machines, too.
ARG REQUIREMENTS=model
COPY requirements/${REQUIREMENTS}.txt /tmp/model.txt
# Only wheels, so no compiler; only what the lock has the hashes of. Left out after that: the packages' own tests; what only
# a compiler or an editor reads; boto3's descriptions of the 400 AWS services that the program doesn't use; the parts of
# scipy that neither XGBoost nor pandas uses here (for a program of yours that needs them, take the last `find` out).
RUN python -m venv --without-pip /opt/model \
 && python -m pip --python /opt/model/bin/python install --quiet --no-cache-dir --only-binary :all: --require-hashes \
      --requirement /tmp/model.txt \
 && find /opt/model -type d -name tests -prune -exec rm -r {} + \
 && find /opt/model -type f \( -name '*.py[xi]' -o -name '*.px[di]' -o -name '*.[ch]' -o -name '*.[ch]pp' -o -name '*.a' \) \
      -delete \
 && find /opt/model/lib/python3*/site-packages/botocore/data -mindepth 1 -maxdepth 1 -type d \
      ! -name s3 ! -name ssm ! -name sts ! -name 'sso*' ! -name signin -exec rm -r {} + \
 && find /opt/model/lib/python3*/site-packages/scipy -mindepth 1 -maxdepth 1 -type d \
      ! -name '_*' ! -name linalg ! -name sparse ! -name special -exec rm -r {} +

FROM ${BASE}
ARG BASE
LABEL org.opencontainers.image.title="model" \
      org.opencontainers.image.description="Forecasts the next hour of an hourly price series" \
      org.opencontainers.image.base.name="${BASE}"
ENV PATH=/opt/model/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY --from=build /opt/model /opt/model
COPY model ./model
RUN python -m compileall -q --invalidation-mode unchecked-hash model
# No name and no home of its own: it writes to S3, and to /tmp, the one place that must be writable.
USER 10001:10001
# Healthy while it gets on with its work: a program that used no processor time since the last look, three times in a
# row, hangs. (ECS looks only if the task definition has this check, too.)
HEALTHCHECK --interval=60s --timeout=5s --start-period=10s --retries=3 \
    CMD ["sh", "-c", "now=$(cut -d' ' -f14-17 /proc/1/stat); was=$(cat /tmp/.health 2>/dev/null); \
         echo \"$now\" >/tmp/.health; [ \"$now\" != \"$was\" ]"]
# In exec form the program is process 1 and gets SIGTERM itself. As process 1 it would lose one that comes before it has
# a handler, while Python starts; blocked, the signal waits until `model` asks for it, before it imports anything heavy.
ENTRYPOINT ["env", "--block-signal=TERM", "python", "-m", "model"]
