"""The drawing of a rule graph."""

import xml.etree.ElementTree as ElementTree
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memprune.report.rule_drawing import depths_of, draw_rules, links_of, places_of, width_of
from memprune.report.rule_graph import RuleGraph, without_loops

SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def graphs(draw) -> RuleGraph:
    """A graph of rules, each of which takes input from earlier ones."""
    names = draw(
        st.lists(st.from_regex(r"[a-z]{1,4}(_[a-z]{1,9})?", fullmatch=True), min_size=1, unique=True)
    )
    pairs = [(names[later], names[first]) for first, later in combinations(range(len(names)), 2)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return RuleGraph({name: draw(st.integers(1, 2000)) for name in sorted(names)}, sorted(edges))


@given(graphs())
def test_a_drawing_has_each_rule_once_and_edges_lead_down_between_boxes_that_do_not_overlap(graph):
    depths = depths_of(graph)
    links = links_of(graph, depths)
    places = places_of(depths, links)
    assert all(end[1] == start[1] + 1 for start, end in links)
    for rule, source in graph.edges:
        lane = [(source, depth) for depth in range(depths[source], depths[rule])] + [(rule, depths[rule])]
        assert links >= set(pairwise(lane))
    for one, other in combinations(places, 2):
        room = (width_of(one, depths) + width_of(other, depths)) / 2
        assert one[1] != other[1] or abs(places[one] - places[other]) > room
    drawing = ElementTree.fromstring(draw_rules(graph))
    assert [text.text for text in drawing.iter(f"{SVG}text")][::2] == list(graph.jobs)
    for rect in drawing.iter(f"{SVG}rect"):
        assert float(rect.get("x")) >= 0
        assert float(rect.get("x")) + float(rect.get("width")) <= float(drawing.get("width"))
        assert float(rect.get("y")) + float(rect.get("height")) <= float(drawing.get("height"))
    assert drawing.get("role") == "img"
    assert {drawing[0].get("id"), drawing[1].get("id")} == set(drawing.get("aria-labelledby").split())
    assert not [element for element in drawing.iter() if "style" in element.attrib]


@given(graphs(), st.data())
def test_an_edge_that_closes_a_loop_is_left_out_and_no_other(graph, data):
    assert without_loops(set(graph.edges)) == graph.edges
    names = st.sampled_from(list(graph.jobs))
    edges = {*graph.edges, *data.draw(st.sets(st.tuples(names, names)))}
    kept = without_loops(edges)
    assert set(kept) <= edges
    depths_of(RuleGraph(graph.jobs, kept))
    for edge in edges - set(kept):
        with pytest.raises(ValueError, match="take input from each other"):
            depths_of(RuleGraph(graph.jobs, [*kept, edge]))


def test_a_chain_of_changes_is_drawn_from_its_first_to_its_last():
    chain = [("compute", "compute"), ("compute", "gather"), ("evaluate", "compute"), ("gather", "compute")]
    assert without_loops(set(chain)) == [("compute", "gather"), ("evaluate", "compute")]


def test_rules_that_take_input_from_each_other_cannot_be_drawn():
    with pytest.raises(ValueError, match="take input from each other"):
        draw_rules(RuleGraph({"a": 1, "b": 1}, [("a", "b"), ("b", "a")]))
