# The service: no compiler, no torch, nothing downloaded at run time.
FROM python:3.11-slim AS build

WORKDIR /source
COPY pyproject.toml requirements.lock README.md LICENSE NOTICE ./
RUN python -m venv /opt/mouthpiece
COPY runtime runtime
COPY avatar_cache avatar_cache
COPY convert convert
COPY api api
COPY models models
RUN /opt/mouthpiece/bin/pip install --no-cache-dir --constraint requirements.lock ".[tts]"
# Face networks and the sample avatar come into the image, checked by SHA-256.
# hadolint ignore=DL3059
RUN /opt/mouthpiece/bin/mouthpiece models fetch --required
# hadolint ignore=DL3059
RUN find /opt/mouthpiece -depth -type d -name tests -exec rm -rf {} + && \
    rm -rf /opt/mouthpiece/lib/python3.11/site-packages/pip*

FROM python:3.11-slim

# The home and the uid are those of OPEA's images: its volumes and paths work unchanged.
RUN useradd --create-home --uid 1000 user && \
    install -d -o user -g user /models /cache /output /outputs
COPY --from=build /opt/mouthpiece /opt/mouthpiece
ENV PATH=/opt/mouthpiece/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MOUTHPIECE_HOST=0.0.0.0 \
    MOUTHPIECE_PORT=8080 \
    MOUTHPIECE_EXTRA_PORTS=7860,9066 \
    MOUTHPIECE_MODELS_DIR=/models \
    MOUTHPIECE_CACHE_DIR=/cache \
    MOUTHPIECE_OUTPUT_DIR=/output
USER 1000
WORKDIR /home/user
VOLUME ["/models", "/cache", "/output"]
EXPOSE 8080 7860 9066
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD \
    ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['MOUTHPIECE_PORT'] + '/livez', timeout=5)"]
ENTRYPOINT ["mouthpiece"]
CMD ["serve"]
