"""The agent relabels as Prometheus's own package does: thousands of random rules, and labels for them."""

import collections
import json
import os
import random
import subprocess
import tempfile

CLIENT = os.path.join(os.environ["PILOTLIGHT_SOURCE"], "tests", "e2e", "relabel_client")
AGENTS = os.path.join(os.environ["PILOTLIGHT_BUILD"], "tests", "relabel_lines")

ACTIONS = ["replace", "keep", "drop", "keepequal", "dropequal", "hashmod", "labelmap", "labeldrop", "labelkeep",
           "lowercase", "uppercase", "Replace", "DROP", "none"]
NAMES = ["a", "b", "pod", "__meta_x", "__meta_y"]
# Without letters that have capitals outside ASCII.
VALUES = ["a", "web-3", "Web-3", "a;web-3", "x y", "日本", "a\nb", "$1", "42", "true"]
REGEXES = ["(.*)", "(.+)-(\\d+)", "(?P<n>[a-z]+).*", "", ".", ".*", "a|b", "__meta_(.+)", "__meta_(.+)|pod", "(a)|(b)", "a)(b",
           "(?i)web-3", "^a$", "\\pL+", "(.)(.).*"]
BAD_REGEXES = ["[", "(", "x{1001}"]
TARGETS = ["a", "c", "__tmp", "${1}", "$1_c", "c_${n}", "$1$2"]
BAD_TARGETS = ["a-b", "9a", "$", "${1", "", "日", "c$$"]
REPLACEMENTS = ["$1", "", "x", "${1}", "$n", "<$2$1>", "$1x", "$$1", "${01}", "$9", "c_$1", "$", "${}", "${1", "a-b", "日本$1"]
SEPARATORS = [";", "", "-", "日"]
MODULI = [0, 1, 7, 1000, 2**64 - 1, -1, "x"]


def random_rule(generator, actions):
    action = generator.choice(actions)
    rule = {"action": action} if generator.random() < 0.9 else {}
    # Mostly what the action takes, so that not all are refused.
    likely = {
        "source_labels": 0.05 if action in ("labeldrop", "labelkeep") else 0.9,
        "regex": 0.05 if action.endswith("equal") else 0.6,
        "target_label": 0.05 if action in ("keep", "drop", "labelmap", "labeldrop", "labelkeep") else 0.9,
        "replacement": 0.6 if action in ("replace", "labelmap") else 0.05,
        "separator": 0.2 if action in ("replace", "keep", "drop", "hashmod") else 0.03,
        "modulus": 0.95 if action == "hashmod" else 0.03,
    }
    values = {
        "source_labels": lambda: generator.choices([*NAMES, "none"] * 9 + ["a-b", ""], k=generator.randrange(1, 4)),
        "regex": lambda: generator.choice(REGEXES * 3 + BAD_REGEXES),
        "target_label": lambda: generator.choice(TARGETS * 3 + BAD_TARGETS),
        "replacement": lambda: generator.choice(REPLACEMENTS),
        "separator": lambda: generator.choice(SEPARATORS),
        "modulus": lambda: generator.choice(MODULI),
    }
    for field, likelihood in likely.items():
        if generator.random() < likelihood:
            rule[field] = values[field]()
    return rule


def random_question(generator):
    # Which of several labels wins that labelmap gives the same name depends, in Prometheus, on the order in which
    # rules before have added them.
    later = [action for action in ACTIONS if action != "labelmap"]
    rules = [random_rule(generator, later if i else ACTIONS) for i in range(generator.choice([1, 1, 1, 2, 3]))]
    labels = {name: generator.choice(VALUES) for name in NAMES if generator.random() < 0.7}
    return {"yaml": json.dumps({"relabel_configs": rules}), "labels": labels}


def answers(program, questions):
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    output = subprocess.run([program], input=lines, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def main():
    generator = random.Random(1)
    questions = [random_question(generator) for _ in range(20000)]
    with tempfile.TemporaryDirectory() as directory:
        client = os.path.join(directory, "relabel_client")
        subprocess.run(["go", "build", "-o", client, "."], cwd=CLIENT, check=True)
        expected = answers(client, questions)
    kinds = collections.Counter("dropped" if answer is None else "refused" if answer == "refused" else "changed"
                                if answer != question["labels"] else "the same" for question, answer in zip(questions, expected))
    print(kinds, flush=True)
    assert min(kinds.values()) > 1000 and len(kinds) == 4, kinds
    different = [(question, ours, theirs)
                 for question, ours, theirs in zip(questions, answers(AGENTS, questions), expected, strict=True) if ours != theirs]
    for question, ours, theirs in different[:5]:
        print(f"{question}\n  agent:      {ours}\n  Prometheus: {theirs}", flush=True)
    assert not different, f"{len(different)} of {len(questions)} are different"


if __name__ == "__main__":
    main()
