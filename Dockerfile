# The service and the workers in one image: `docker run IMAGE` serves, `docker run IMAGE worker` works.
# Base images are pinned by digest; `docker buildx imagetools inspect NAME:TAG` prints that of a newer one.
FROM node:20-bookworm-slim@sha256:2cf067cfed83d5ea958367df9f966191a942351a2df77d6f0193e162b5febfc0 AS dashboard
WORKDIR /src/dashboard
COPY dashboard/package.json dashboard/package-lock.json dashboard/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY dashboard ./
RUN npm run build

FROM python:3.11-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84 AS build
WORKDIR /src
COPY requirements.lock pyproject.toml ./
# The lock holds the tools of development too; its pins constrain what the product alone needs.
RUN pip install --no-cache-dir "uv==$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements.lock)" \
 && python -m venv /opt/flexdse \
 && uv pip compile --quiet --no-header --generate-hashes --constraints requirements.lock pyproject.toml --output-file runtime.lock \
 && uv pip sync --no-cache --require-hashes --python /opt/flexdse/bin/python runtime.lock
COPY . .
COPY --from=dashboard /src/dashboard/dist dashboard/dist
RUN uv build --wheel --out-dir dist \
 && uv pip install --no-cache --no-deps --python /opt/flexdse/bin/python dist/*.whl

FROM python:3.11-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84
# g++ compiles the C simulation of a generated project.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends g++ git make \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --create-home --home-dir /var/lib/flexdse --uid 10001 flexdse
COPY --from=build /opt/flexdse /opt/flexdse
ENV PATH=/opt/flexdse/bin:$PATH FLEXDSE_HOME=/var/lib/flexdse/data PYTHONUNBUFFERED=1
USER flexdse
# Both owned by the user, so that a volume mounted there is too.
RUN mkdir -p /var/lib/flexdse/data /var/lib/flexdse/artifacts
WORKDIR /var/lib/flexdse
VOLUME /var/lib/flexdse/data
EXPOSE 8000
ENTRYPOINT ["flexdse"]
# Asks for the token that it prints, or for a key of `flexdse keys issue`.
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
