# CaptionLens in a container: not root, on a root file system that may be read-only.
#
#   docker build -t captionlens .
#   docker run --read-only --tmpfs /tmp -v captionlens:/data -p 127.0.0.1:8501:8501 captionlens
#
# Everything that it writes is in /data, collections and converted models, and in /tmp.
FROM python:3.11-slim

# requirements-scale.txt adds what searching in Milvus and building with Ray need.
ARG REQUIREMENTS=requirements.txt
# Where pip finds another build of PyTorch, such as the much smaller one for CPUs alone: its page
# "Get started" gives the address. Without one the image runs on NVIDIA GPUs (`--gpus all`) too.
# A build argument is no secret: it stays readable in the image.
ARG TORCH_INDEX=""

WORKDIR /app
COPY requirements.txt requirements-scale.txt ./
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r "$REQUIREMENTS"
COPY . .
RUN python -m compileall -q app.py cli.py components pages \
    && useradd --system --uid 10001 --no-create-home captionlens \
    && install -d -o captionlens -g captionlens /data
USER 10001

# HOME: libraries keep small caches there. The server listens to the container's network: what is
# published of it, and the names that it answers to (STREAMLIT_SERVER_ALLOWED_HOSTS, separated by
# spaces; localhost without it), decide who can reach it.
ENV CAPTIONLENS_DATA=/data \
    CAPTIONLENS_MODEL_CACHE=/data/models \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_PORT=8501
VOLUME /data
EXPOSE 8501

# The first start converts the model for the processor, which takes a while.
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.build_opener(web.ProxyHandler({})).open('http://127.0.0.1:' + os.environ['STREAMLIT_SERVER_PORT'] + '/healthz', timeout=4)"]
CMD ["sh", "-c", "python cli.py models prepare && exec streamlit run app.py"]
