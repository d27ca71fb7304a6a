"""evoniche's selection in other libraries, and their operators in evoniche: a module for each, `pymoo`, `deap`, `ribs`.

Nothing here is imported by `import evoniche`; a module needs the extra of its name.
"""
