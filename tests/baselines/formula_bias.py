"""How much drawn formulas point to a solution: `python tests/baselines/formula_bias.py [FORMULAS]`.

Prints the table of baselines/results/niching.md: for each way to draw a formula of 100 variables and 426 clauses, how
often a literal agrees with the known solution, which share of the clauses a vote of each variable's literals satisfies,
and the median of the flips that WalkSAT needs (Selman, Kautz and Cohen 1994, noise 1/2). 30 formulas take a minute.
"""

import random
import sys

import numpy as np

from evoniche_baselines.problems.random_formula import DRAWS


def agreement(formula, solution):
    """The share of literals that are true under the solution."""
    literals = np.array(formula.clauses)
    return float((solution[np.abs(literals) - 1] == (literals > 0)).mean())


def vote(formula):
    """The share of clauses that are satisfied if each variable has the sign of most of its literals."""
    balance = np.zeros(formula.variables + 1)
    for clause in formula.clauses:
        for literal in clause:
            balance[abs(literal)] += np.sign(literal)
    return float(formula.score((balance[1:] > 0)[None]).mean())


def walksat_flips(formula, seed, limit=1_000_000):
    """The flips of WalkSAT until all clauses are satisfied; what breaks nothing is flipped, if there is such."""
    rng = random.Random(seed)
    value = [rng.random() < 0.5 for _ in range(formula.variables + 1)]
    having = {literal: [] for v in range(1, formula.variables + 1) for literal in (v, -v)}
    for number, clause in enumerate(formula.clauses):
        for literal in clause:
            having[literal].append(number)
    true = [sum(value[abs(x)] == (x > 0) for x in clause) for clause in formula.clauses]
    broken = [number for number, count in enumerate(true) if not count]

    def breaks(variable):
        return sum(true[number] == 1 for number in having[variable if value[variable] else -variable])

    for flips in range(limit):
        if not broken:
            return flips
        clause = [abs(x) for x in formula.clauses[rng.choice(broken)]]
        counts = [breaks(v) for v in clause]
        if min(counts) > 0 and rng.random() < 0.5:
            chosen = rng.choice(clause)
        else:
            chosen = rng.choice([v for v, count in zip(clause, counts, strict=True) if count == min(counts)])
        was = chosen if value[chosen] else -chosen
        value[chosen] = not value[chosen]
        for number in having[was]:
            true[number] -= 1
            if not true[number]:
                broken.append(number)
        for number in having[-was]:
            true[number] += 1
            if true[number] == 1:
                broken.remove(number)
    return limit


def main(formulas):
    """Print the table."""
    print(f"| drawn ({formulas} formulas) | literals that agree | satisfied by a vote | flips of WalkSAT, median |")
    print("|---|---|---|---|")
    for name, draw in DRAWS.items():
        drawn = [draw(100, 4.26, instance) for instance in range(formulas)]
        agree = np.mean([agreement(*pair) for pair in drawn])
        votes = np.mean([vote(formula) for formula, _ in drawn])
        flips = np.median([walksat_flips(formula, seed) for seed, (formula, _) in enumerate(drawn)])
        print(f"| {name} | {agree:.3f} | {votes:.3f} | {flips:,.0f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
