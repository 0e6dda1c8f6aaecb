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


def loads():
    """Every call that makes a config, a tokenizer or a model of an Auto class."""
    for folder in ("bot", "model", "trainer", "storage", "benchmarks"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOADS:
                    owner = ast.unparse(node.func.value).rpartition(".")[2]
                    if owner.startswith("Auto"):
                        yield pytest.param(node, id=f"{file.relative_to(ROOT)}:{node.lineno}")


@pytest.mark.parametrize("call", list(loads()))
def test_every_load_refuses_remote_code(call):
    """Written out, since transformers asks "[y/N]" where nothing is said."""
    said = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    assert said.get("trust_remote_code") == "False"


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
