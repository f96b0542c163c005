"""What things are called."""

from unspool.data import Table
from unspool.fields import TextField
from unspool.recipes import GatherSpec
from unspool.tasks.names import Names, folded, spelling, told_names

TOLD = [
    (0, "en", "octopus"),
    (0, "it", "polpo"),
    (1, "en", "squid"),
    (1, "it", "calamaro"),
    (1, "it", "totano"),
    (2, "it", "orso"),
    (2, "de at", "Ba\u0308r"),
]


def test_a_thing_that_a_line_tells_a_name_of_is_not_another_one() -> None:
    names = Names(TOLD)
    assert names.of_others("it") == {"polpo", "calamaro", "totano", "orso"}
    assert names.of_others("it\nen squid") == {"polpo", "orso"}
    assert names.of_others("it\nen whale\n\nde at  B\u00e4r\nen octopus") == {"calamaro", "totano"}
    assert names.of_others("en\nit totano") == {"octopus"}
    assert names.of_others("en\nes pulpo") == {"octopus", "squid"}
    assert names.of_others("fr\nen squid") == names.of_others("") == set()


def test_an_example_is_of_another_thing_and_a_name_alone_is_no_line() -> None:
    names = Names(TOLD)
    assert names.of_others("it\nen octopus = polpo\n= orso\nsquid") == {"polpo", "calamaro", "totano", "orso"}


def test_names_are_compared_as_outputs_spell_them() -> None:
    assert Names([(0, "it", "  Orso  bruno ")]).of_others("it") == {"Orso bruno"}
    assert Names([(0, "it", "Orso")], str.lower).of_others("it\nde B\u00e4r") == {"orso"}
    assert Names([(0, "it", "Orso"), (1, "it", "Sole")], line=str.lower).of_others("IT\nIT SOLE") == {"Orso"}
    field = TextField("characters", lowercase=True, max_length=3)
    field.fit(["orso"])
    assert (spelling(field)("ORso "), spelling(field.cut_to(None))("  ORso ")) == ("ors", "orso")
    assert folded("n\u0303  a ") == "\u00f1 a"
    assert Names([(0, "de", "Ba\u0308r")]).of_others("de") == {"B\u00e4r"}


def test_they_are_told_by_the_training_part() -> None:
    rows = [("x", "en", "cow"), ("y", "en", "sun"), ("x", "fr", "vache")]
    table = Table.from_rows([dict(zip(("thing", "language", "name"), row, strict=True)) for row in rows])
    gather = GatherSpec(into="known", same="thing", by="language", of="name")
    told = told_names(table, gather)
    assert told == [(0, "en", "cow"), (1, "en", "sun"), (0, "fr", "vache")]
    assert Names(told).told == told
    assert Names([[0, "en", "cow"]]).told == [(0, "en", "cow")]
