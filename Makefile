# A fresh Debian or Ubuntu machine needs nothing before `make demo` or `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
TEXT ?= Hello! I am a picture, and this is my voice. Everything you see was made on a plain processor.

.PHONY: demo test setup serve bench quality lock bundled-model clean

demo: setup  ## speak a sentence with the sample avatar: demo.mp4
	$(BIN)/mouthpiece demo --text "$(TEXT)" --output demo.mp4

serve: setup  ## start the HTTP service on http://127.0.0.1:8080
	$(BIN)/mouthpiece serve

test: $(VENV)/.dev models/local/.fetched  ## format, lint, types, contracts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q

bench: $(VENV)/.dev models/local/.fetched  ## measure this machine: benchmarks/results.json, docs/benchmarks.md
	$(BIN)/python -m benchmarks

quality: setup  ## remake the pictures of README.md and docs/quality.md
	$(BIN)/python examples/quality_sheet.py --output docs/quality.jpg --strips docs/demo.jpg

setup: $(VENV)/.run models/local/.fetched

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -qqy python3-venv && $(PYTHON) -m venv --clear $(VENV); }
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.run: pyproject.toml requirements.lock | $(BIN)/python
	$(BIN)/pip install --quiet --constraint requirements.lock --editable ".[tts]"
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/pip install --quiet --constraint requirements.lock torch
	$(BIN)/pip install --quiet --constraint requirements.lock --editable ".[tts,convert,train,dev]"
	touch $@

models/local/.fetched: models/manifest.toml | $(VENV)/.run
	$(BIN)/mouthpiece models fetch --required
	touch $@

bundled-model: $(VENV)/.dev models/local/.fetched  ## replace the bundled generator: CHECKPOINT=, MEDIA=, SPEECH=
	$(BIN)/mouthpiece convert generator --bundle --checkpoint $(CHECKPOINT) \
	  $(addprefix --media ,$(MEDIA)) $(addprefix --speech ,$(SPEECH))

lock: $(VENV)/.dev  ## pin what is installed
	$(BIN)/pip freeze --exclude-editable > requirements.lock

clean:
	rm -rf $(VENV) models/local build *.egg-info demo.mp4
