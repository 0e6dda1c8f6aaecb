"""No model brings code of its own: every load says so, and transformers never asks on a terminal."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from model.base.loading import load_base
from model.config import ModelConfig
from model.errors import ModelError
from tests.tiny import make_tiny_base

ROOT = Path(__file__).resolve().parent.parent
LOADS = {"from_pretrained", "from_config"}
UNPICKLING = {"torch.load", "pickle.load", "pickle.loads", "joblib.load", "dill.load", "dill.loads"}


def calls():
    """Every call of a method or of a module's function, and where it is."""
    for folder in ("bot", "model", "trainer", "storage", "benchmarks"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    yield node, f"{file.relative_to(ROOT)}:{node.lineno}"


def loads(start="Auto", names=frozenset(LOADS)):
    """Every call that makes a config, a tokenizer or a model of an Auto class."""
    for node, place in calls():
        if node.func.attr in names and ast.unparse(node.func.value).rpartition(".")[2].startswith(start):
            yield pytest.param(node, id=place)


@pytest.mark.parametrize("call", list(loads()))
def test_every_load_refuses_remote_code(call):
    """Written out, since transformers asks "[y/N]" where nothing is said."""
    said = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    assert said.get("trust_remote_code") == "False"


@pytest.mark.parametrize("call", list(loads("AutoModel", {"from_pretrained"})))
def test_every_load_of_weights_takes_safetensors_or_gguf(call):
    """Else transformers falls back on pickled weights where it finds no others."""
    said = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    assert said.get("use_safetensors") == "True" or "gguf_file" in said


def test_nothing_of_ours_unpickles():
    """A pickle is a program; checkpoints of our own runs are read by the training library (weights only)."""
    assert [place for node, place in calls() if ast.unparse(node.func) in UNPICKLING] == []


def test_a_base_with_pickled_weights_is_refused_and_not_run(tmp_path):
    """In a sentence that says what to do, before anything reads the file."""
    base = make_tiny_base(tmp_path / "base")
    (ran := tmp_path / "ran").unlink(missing_ok=True)
    for weights in base.glob("*.safetensors"):
        weights.unlink()
    program = f"cbuiltins\nexec\n(Vopen({str(ran)!r}, 'w')\ntR."
    (base / "pytorch_model.bin").write_bytes(program.encode())
    with pytest.raises(ModelError, match=r"pickled \(\*.bin\), which can carry a program: save them as safetensors"):
        load_base(ModelConfig(base=str(base), device="cpu"), tmp_path / "models")
    assert not ran.exists()


def test_a_base_with_code_of_its_own_is_refused_and_not_run(tmp_path, monkeypatch):
    """In a sentence, without a question on the terminal."""
    base = make_tiny_base(tmp_path / "base")
    ran = tmp_path / "ran"
    (base / "evil.py").write_text(f"open({str(ran)!r}, 'w')\nclass Config: ...\nclass Model: ...\n")
    config = json.loads((base / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}}
    (base / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked"))
    with pytest.raises(ModelError):
        load_base(ModelConfig(base=str(base), device="cpu"), tmp_path / "models")
    assert not ran.exists()
