"""Grafana for those who use it already: dashboards and alert rules as code, pushed through its API or written as files.

Takes in a language, a data source and where the console is; hands out Grafana's JSON, provisioning files, and a push
that changes what differs and touches nothing that is not ours.
"""
