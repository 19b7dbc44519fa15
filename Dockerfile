# The service of compose.yaml. torch's CPU build is enough; docs/serving.md tells what is set by environment. It wants
# CINEFEAST_READ_KEYS, or `--open` in the command, as it listens beyond the container's loopback.
FROM python:3.11-slim
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir -e .
USER 1000
EXPOSE 8000
CMD ["cinefeast", "serve", "--host", "0.0.0.0"]
