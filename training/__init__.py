"""Scripts that make the embedded models again; no part of the service, and nothing of it imports them.

Run from the repository's root, in an environment of their own::

    python3.11 -m venv .venv-training
    .venv-training/bin/pip install --require-hashes -r training/requirements.txt
    .venv-training/bin/python -m training.breast_cancer
    .venv-training/bin/python -m training.diabetes
    .venv-training/bin/python -m training.digits
    .venv-training/bin/python -m training.text
"""
