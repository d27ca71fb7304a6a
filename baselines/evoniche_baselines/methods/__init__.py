"""Methods to be compared: niching methods made of evoniche's parts, and methods of other libraries.

Each is a `Method`. `evoniche compare` and `catalogue.find_method` find them by entry point, so one makes a search of
each in the same way:

>>> from evoniche_baselines.catalogue import find_method, find_problem
>>> problem = find_problem("max-sat:variables=20")
>>> search = find_method("clearing:capacity=2").search(problem, seed=0)
>>> search.tell(problem.scorer.score(search.ask()))
>>> genomes, scores = search.members()
>>> scores.shape  # (members, cases)
(100, 85)
"""
