"""Config → project: every name becomes an object, and everything that can be judged without data is judged.

`report` collects mistakes and their places; `functions` imports users' modules; `connections` builds connections;
`links` finds what depends on what; `ends` resolves reads and writes; `steps` resolves transforms and validation and
follows columns through the graph; `targets` looks at which nodes meet in stored data; `nodes` puts it together.
"""
