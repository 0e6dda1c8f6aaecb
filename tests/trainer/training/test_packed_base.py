"""A whole night on a base that comes packed with GPTQ."""

from __future__ import annotations

from dataclasses import replace

from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home
from storage.store import Store
from tests.model.base.test_prequantized import needs_gptq, packed_as_gptq
from tests.trainer.conftest import Place
from tests.trainer.pairs import new_pairs


@needs_gptq
def test_a_night_on_a_gptq_base_ends_with_a_new_champion(place, tmp_path):
    """Trained, judged and published like any other; nothing is converted."""
    packed = packed_as_gptq(tmp_path / "plain", tmp_path / "packed")
    home = Home(tmp_path / "gptq").ensure()
    with Store.open(home.db) as store:
        store.import_pairs(new_pairs(60), approved_by="operator")
    settings = place.settings.model_copy(update={"model": replace(place.settings.model, base=str(packed))})
    result = Place(home, settings).run()
    assert result.outcome == "promoted", result.reason
    assert AdapterDirectory(home.adapters).verify(result.challenger)["base_model"] == "packed"
    assert list(home.models.iterdir()) == []
