"""What can be watched, where it is asked for: logs, alerts, a budget. Off unless configured."""

import pulumi
from pulumi_azure_native import consumption, monitor, operationalinsights

from infra import naming
from infra.account import Account
from infra.place import Place
from infra.settings import Settings

ALERTS = {
    "tasks-fail": ("TaskFailEvent", "Tasks ended with an error"),
    "nodes-unusable": ("UnusableNodeCount", "Nodes that cost and cannot work"),
    "start-tasks-fail": ("StartTaskFailedNodeCount", "Nodes that could not be made ready"),
}
"""Metrics of a Batch account; one alert each, since an alert's criteria must all be met."""


class Monitoring(pulumi.ComponentResource):
    """Diagnostics, alerts and a monthly budget, each by its own setting."""

    def __init__(self, name: str, settings: Settings, place: Place, account: Account) -> None:
        super().__init__("runner:infra:Monitoring", name)
        self.settings, self.place, self.account = settings, place, account
        self.under = pulumi.ResourceOptions(parent=self)
        if settings.log_analytics:
            self.diagnostics()
        if settings.alert_email:
            self.alerts()
        if settings.monthly_budget:
            self.budget()
        self.register_outputs({})

    def called(self, kind: str) -> str:
        """Return the name of a resource of this *kind*."""
        return naming.plain(self.settings.name_prefix, self.settings.stack, kind)

    def diagnostics(self) -> None:
        """Send the account's logs and metrics to a Log Analytics workspace."""
        workspace = operationalinsights.Workspace(
            "logs",
            workspace_name=self.called("log"),
            resource_group_name=self.place.group,
            location=self.place.location,
            sku=operationalinsights.WorkspaceSkuArgs(
                name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018
            ),
            retention_in_days=self.settings.log_retention_days,
            tags=self.place.tags,
            opts=self.under,
        )
        monitor.DiagnosticSetting(
            "diagnostics",
            name="to-log-analytics",
            resource_uri=self.account.account_id,
            workspace_id=workspace.id,
            logs=[monitor.DiagnosticsLogSettingsArgs(category_group="allLogs", enabled=True)],
            metrics=[monitor.DiagnosticsMetricSettingsArgs(category="AllMetrics", enabled=True)],
            opts=self.under,
        )

    def alerts(self) -> None:
        """Tell somebody when work or nodes fail."""
        people = monitor.ActionGroup(
            "people",
            action_group_name=self.called("people"),
            resource_group_name=self.place.group,
            location="global",
            group_short_name=self.settings.name_prefix,
            enabled=True,
            email_receivers=[
                monitor.MicrosoftCommonEmailReceiverArgs(
                    name="operator",
                    email_address=self.settings.alert_email,
                    use_common_alert_schema=True,
                )
            ],
            tags=self.place.tags,
            opts=self.under,
        )
        for name, (metric, words) in ALERTS.items():
            self.alert(name, metric, words, people)

    def alert(self, name: str, metric: str, words: str, people: monitor.ActionGroup) -> None:
        """Tell *people* when *metric* is above zero in a quarter of an hour."""
        monitor.MetricAlert(
            name,
            rule_name=self.called(name),
            resource_group_name=self.place.group,
            location="global",
            description=f"{words}: `runner doctor` says why",
            enabled=True,
            severity=2,
            scopes=[self.account.account_id],
            evaluation_frequency="PT5M",
            window_size="PT15M",
            criteria=monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs(
                odata_type="Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
                all_of=[
                    monitor.MetricCriteriaArgs(
                        criterion_type="StaticThresholdCriterion",
                        name=name,
                        metric_name=metric,
                        metric_namespace="Microsoft.Batch/batchAccounts",
                        operator=monitor.Operator.GREATER_THAN,
                        threshold=0,
                        time_aggregation=monitor.AggregationTypeEnum.TOTAL,
                    )
                ],
            ),
            actions=[monitor.MetricAlertActionArgs(action_group_id=people.id)],
            tags=self.place.tags,
            opts=self.under,
        )

    def budget(self) -> None:
        """Watch what this stack costs, nodes included: they are found by their tag.

        In user-subscription mode Batch makes them outside this resource group. The first month is
        configured, not taken from the clock: it would be another at every `up`.
        """
        people = [self.settings.alert_email]
        consumption.Budget(
            "budget",
            budget_name=self.called("budget"),
            scope=self.place.subscription_scope,
            amount=self.settings.monthly_budget,
            category=consumption.CategoryType.COST,
            time_grain=consumption.TimeGrainType.MONTHLY,
            time_period=consumption.BudgetTimePeriodArgs(
                start_date=f"{self.settings.budget_start}T00:00:00Z"
            ),
            filter=consumption.BudgetFilterArgs(
                tags=consumption.BudgetComparisonExpressionArgs(
                    name="stack",
                    operator=consumption.BudgetOperatorType.IN_,
                    values=[self.settings.all_tags["stack"]],
                )
            ),
            notifications={
                "most-is-spent": notification(people, 80, consumption.ThresholdType.ACTUAL),
                "too-much-is-coming": notification(
                    people, 100, consumption.ThresholdType.FORECASTED
                ),
            },
            opts=self.under,
        )


def notification(
    people: list[str], percent: int, kind: consumption.ThresholdType
) -> consumption.NotificationArgs:
    """Write to *people* at *percent* of the budget."""
    return consumption.NotificationArgs(
        enabled=True,
        operator=consumption.OperatorType.GREATER_THAN_OR_EQUAL_TO,
        threshold=percent,
        threshold_type=kind,
        contact_emails=people,
    )
