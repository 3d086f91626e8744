# The service as a small image: dependencies pinned with hashes, no build tools, no root.
FROM python:3.13-slim-trixie AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1
WORKDIR /src

# The dependencies have a layer of their own: it stays when only the code changes.
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN python -m venv /opt/saga \
 && /opt/saga/bin/pip install --require-hashes -r requirements/runtime.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes -r requirements/build.txt

COPY pyproject.toml README.md LICENSE ./
COPY src/ src/
COPY contracts/ contracts/
COPY sagas/ sagas/
COPY handlers/ handlers/
COPY service/ service/
RUN /opt/build/bin/hatchling build -t wheel -d /opt/dist \
 && /opt/saga/bin/pip install --no-deps /opt/dist/*.whl \
 && /opt/saga/bin/python -m compileall -q /opt/saga/lib


FROM python:3.13-slim-trixie

RUN groupadd --system --gid 10001 saga \
 && useradd --system --uid 10001 --gid saga --no-create-home --shell /usr/sbin/nologin saga \
 && install -d -o saga -g saga -m 0750 /var/lib/saga
COPY --from=build /opt/saga /opt/saga

ENV PATH=/opt/saga/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SAGA_API__BIND=0.0.0.0:8080 \
    SAGA_API__ADMIN_BIND=127.0.0.1:8081 \
    SAGA_STORE=sqlite:////var/lib/saga/saga.db
USER 10001:10001
EXPOSE 8080

# SIGTERM drains: what is in hand is committed and sent within 30 s. Give `docker stop` more than that: --time 40.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=6 CMD ["python", "-c", \
 "import http.client as h, sys; c = h.HTTPConnection('127.0.0.1', 8080, timeout=3); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]

ENTRYPOINT ["saga"]
CMD ["serve"]
