"""A rule graph as a drawing: a row a layer, in the colours and the font of the page around it.

Layers are by the longest path, and the order within them is by barycentres (Sugiyama, Tagawa and Toda 1981,
doi:10.1109/TSMC.1981.4308636). What a rule gives to rules further down passes the layers between in one lane.
"""

from collections import defaultdict
from html import escape
from itertools import pairwise

from memprune.report.rule_graph import RuleGraph

HEIGHT, DISTANCE, GAP, MARGIN, LETTER = (
    42,
    88,
    16,
    10,
    7.8,
)  # in the drawing's units; LETTER is a letter's width
SWEEPS = 12
Node = tuple[
    str, int
]  # a rule and a layer: the rule's own, where its box is, or a later one, where its lane is
ARROW = (
    '<defs><marker id="rule-arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7"'
    ' orient="auto"><path d="M0 0 8 4 0 8z" fill="currentColor"/></marker></defs>'
)


def draw_rules(graph: RuleGraph) -> str:
    """The graph as one SVG element with a title and a description, safe in a page; "" for an empty graph."""
    if not graph.jobs:
        return ""
    depths = depths_of(graph)
    links = links_of(graph, depths)
    places = places_of(depths, links)
    width = max(x + width_of(node, depths) / 2 for node, x in places.items()) + MARGIN
    height = max(depths.values()) * DISTANCE + HEIGHT + 2 * MARGIN
    lines = [line(start, end, places, depths) for start, end in sorted(links)]
    lanes = [lane(node, places[node]) for node in sorted(places) if node[1] != depths[node[0]]]
    boxes = [box(rule, jobs, places[rule, depths[rule]], depths[rule]) for rule, jobs in graph.jobs.items()]
    return (
        f'<svg class="rules" role="img" aria-labelledby="rules-title rules-description" width="{width:.0f}"'
        f' height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" xmlns="http://www.w3.org/2000/svg">'
        f'<title id="rules-title">Rule graph of {len(graph.jobs)} rules</title>'
        f'<desc id="rules-description">{escape(described(graph))}</desc>{ARROW}'
        f'<g class="edges" fill="none" stroke="currentColor" stroke-opacity="0.6">'
        f"{''.join(lanes + lines)}</g>"
        f'<g class="boxes" fill="currentColor" text-anchor="middle">{"".join(boxes)}</g></svg>'
    )


def described(graph: RuleGraph) -> str:
    """The graph in words."""
    sources = defaultdict(list)
    for rule, source in graph.edges:
        sources[rule].append(source)
    return " ".join(
        f"{rule}, {counted(jobs)}, takes input from {', '.join(sources[rule]) or 'no other rule'}."
        for rule, jobs in graph.jobs.items()
    )


def counted(jobs: int) -> str:
    """A number of jobs in words."""
    return f"{jobs} job" if jobs == 1 else f"{jobs:,} jobs"


def depths_of(graph: RuleGraph) -> dict[str, int]:
    """The layer of each rule: the length of the longest path to it. Raises ValueError for a cycle."""
    depths = dict.fromkeys(graph.jobs, 0)
    for _ in depths:
        for rule, source in graph.edges:
            depths[rule] = max(depths[rule], depths[source] + 1)
    if any(depths[rule] <= depths[source] for rule, source in graph.edges):
        raise ValueError(f"the rules {', '.join(graph.jobs)} take input from each other")
    return depths


def links_of(graph: RuleGraph, depths: dict[str, int]) -> set[tuple[Node, Node]]:
    """The edges, from the source on, cut at every layer."""
    return {
        ((source, depth), (source, depth + 1) if depth + 1 < depths[rule] else (rule, depth + 1))
        for rule, source in graph.edges
        for depth in range(depths[source], depths[rule])
    }


def places_of(depths: dict[str, int], links: set[tuple[Node, Node]]) -> dict[Node, float]:
    """Where the middle of each box and lane stands, from the left."""
    neighbours: dict[Node, list[Node]] = {(rule, depth): [] for rule, depth in depths.items()}
    for start, end in sorted(links):
        neighbours.setdefault(start, []).append(end)
        neighbours.setdefault(end, []).append(start)
    layers = defaultdict(list)
    for node in sorted(neighbours):
        layers[node[1]].append(node)
    places = {node: float(number) for layer in layers.values() for number, node in enumerate(layer)}
    for sweep in range(2 * SWEEPS):
        down = sweep % 2 == 0
        for depth in sorted(layers, reverse=not down):
            above = {
                node: [
                    places[other]
                    for other in neighbours[node]
                    if sweep >= SWEEPS or (other[1] < depth) == down
                ]
                for node in layers[depth]
            }
            wanted = {node: sum(xs) / len(xs) if xs else places[node] for node, xs in above.items()}
            places |= apart(wanted, depths)
    first = min(x - width_of(node, depths) / 2 for node, x in places.items())
    return {node: x - first + MARGIN for node, x in places.items()}


def apart(wanted: dict[Node, float], depths: dict[str, int]) -> dict[Node, float]:
    """The places of one layer that keep the order of the wanted ones, and their mean, without overlap."""
    order = sorted(wanted, key=lambda node: (wanted[node], node))
    found = {order[0]: wanted[order[0]]}
    for before, node in pairwise(order):
        least = (width_of(before, depths) + width_of(node, depths)) / 2 + GAP
        found[node] = max(wanted[node], found[before] + least)
    shift = sum(wanted[node] - found[node] for node in order) / len(order)
    return {node: x + shift for node, x in found.items()}


def width_of(node: Node, depths: dict[str, int]) -> float:
    """The width of a box, which holds the rule's name, or of a lane."""
    rule, depth = node
    return len(rule) * LETTER + 20 if depths[rule] == depth else 0


def top(depth: int) -> int:
    """The upper end of a layer."""
    return MARGIN + depth * DISTANCE


def line(start: Node, end: Node, places: dict[Node, float], depths: dict[str, int]) -> str:
    """An edge from one layer to the next, with an arrow where it ends at a box."""
    (x, y), (to_x, to_y) = (places[start], top(start[1]) + HEIGHT), (places[end], top(end[1]))
    middle = (y + to_y) / 2
    arrow = ' marker-end="url(#rule-arrow)"' if depths[end[0]] == end[1] else ""
    return f'<path d="M{x:.1f} {y}C{x:.1f} {middle:g} {to_x:.1f} {middle:g} {to_x:.1f} {to_y}"{arrow}/>'


def lane(node: Node, x: float) -> str:
    """An edge through a layer."""
    return f'<path d="M{x:.1f} {top(node[1])}v{HEIGHT}"/>'


def box(rule: str, jobs: int, x: float, depth: int) -> str:
    """A rule with its number of jobs."""
    width, y = width_of((rule, depth), {rule: depth}), top(depth)
    return (
        f'<g><rect x="{x - width / 2:.1f}" y="{y}" width="{width:.1f}" height="{HEIGHT}" rx="6"'
        f' fill="currentColor" fill-opacity="0.06" stroke="currentColor"/>'
        f'<text x="{x:.1f}" y="{y + 18}" font-size="14">{escape(rule)}</text>'
        f'<text x="{x:.1f}" y="{y + 34}" font-size="12">{counted(jobs)}</text></g>'
    )
