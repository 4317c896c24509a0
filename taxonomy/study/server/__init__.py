"""The web study: a plan becomes a folder, people answer by links of their own, and answers are exported.

`folder` prepares and opens a study, `store` keeps what is clicked (all SQL is there), `seals` tells whether somebody
changed it, `steps` says what a person is asked next, and `app` shows it as pages; only `app` needs Starlette.
"""
