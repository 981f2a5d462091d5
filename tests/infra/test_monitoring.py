from tests.infra.mocked import OPERATOR, Deployed, deploy

MONITORED = ("monitor:", "consumption:", "operationalinsights:")


def test_nothing_is_watched_unless_asked_for(example: Deployed) -> None:
    assert [each for each in example.resources if each.token.startswith(MONITORED)] == []


def test_the_accounts_logs_and_metrics_go_to_a_workspace() -> None:
    deployed = deploy(logAnalytics="true", logRetentionDays="90")
    workspace = deployed.one("operationalinsights:Workspace")
    assert workspace.inputs["retentionInDays"] == 90
    setting = deployed.one("monitor:DiagnosticSetting").inputs
    assert setting["workspaceId"] == workspace.id
    assert setting["resourceUri"] == deployed.one("batch:BatchAccount").id
    assert setting["logs"] == [{"categoryGroup": "allLogs", "enabled": True}]
    assert deployed.all("monitor:MetricAlert") == []


def test_failed_tasks_and_nodes_that_cannot_work_are_each_told_about() -> None:
    deployed = deploy(alertEmail="ops@example.com")
    alerts = deployed.all("monitor:MetricAlert")
    criteria = [each.inputs["criteria"]["allOf"] for each in alerts]
    assert {only["metricName"] for (only,) in criteria} == {
        "TaskFailEvent",
        "UnusableNodeCount",
        "StartTaskFailedNodeCount",
    }
    people = deployed.one("monitor:ActionGroup")
    assert deployed.all("consumption:Budget") == []
    assert people.inputs["emailReceivers"][0]["emailAddress"] == "ops@example.com"
    for each in alerts:
        assert each.inputs["actions"] == [{"actionGroupId": people.id}]
        assert each.inputs["scopes"] == [deployed.one("batch:BatchAccount").id]


def test_a_budget_counts_the_nodes_too_which_are_outside_the_group() -> None:
    deployed = deploy(monthlyBudget="50", budgetStart="2026-12-01", alertEmail="ops@example.com")
    budget = deployed.one("consumption:Budget").inputs
    assert budget["scope"] == f"/subscriptions/{deployed.outputs['subscription_id']}"
    assert budget["filter"]["tags"] == {
        "name": "stack",
        "operator": "In",
        "values": [deployed.one("batch:Pool").inputs["resourceTags"]["stack"]],
    }
    assert budget["amount"] == 50
    assert budget["timePeriod"] == {"startDate": "2026-12-01T00:00:00Z"}


def test_a_budget_warns_before_and_when_it_is_spent() -> None:
    deployed = deploy(monthlyBudget="50", budgetStart="2026-12-01", alertEmail="ops@example.com")
    notices = deployed.one("consumption:Budget").inputs["notifications"].values()
    assert {(each["threshold"], each["thresholdType"]) for each in notices} == {
        (80, "Actual"),
        (100, "Forecasted"),
    }
    assert all(each["contactEmails"] == ["ops@example.com"] for each in notices)


def test_watching_gives_nobody_a_role() -> None:
    watched = deploy(logAnalytics="true", alertEmail="ops@example.com")
    assert {to for to, _, _ in watched.grants()} == {to for to, _, _ in deploy().grants()}
    assert OPERATOR in {to for to, _, _ in watched.grants()}
