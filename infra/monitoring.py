"""Monitoring: logs, alerts and a budget. Off unless configured."""

import pulumi
from pulumi_azure_native import consumption, monitor, operationalinsights

from infra import naming
from infra.account import Account
from infra.scope import Scope
from infra.settings import Settings

ALERTS = {
    "tasks-fail": ("TaskFailEvent", "Tasks ended with an error"),
    "nodes-unusable": ("UnusableNodeCount", "Nodes that are billed but cannot work"),
    "start-tasks-fail": ("StartTaskFailedNodeCount", "Nodes whose start failed"),
}
"""Metrics of a Batch account; one alert each, because an alert fires only if all its criteria are met."""


class Monitoring(pulumi.ComponentResource):
    """Diagnostics, alerts and a monthly budget, each with its own setting."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        scope: Scope,
        account: Account,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("runner:infra:Monitoring", name, None, opts)
        self._settings, self._scope, self._account = settings, scope, account
        self._child_options = pulumi.ResourceOptions(parent=self)
        if settings.log_analytics:
            self._diagnostics()
        if settings.alert_email:
            self._alerts()
        if settings.monthly_budget:
            self._budget()
        self.register_outputs({})

    def _resource_name(self, kind: str) -> str:
        """Return the name of a resource of this *kind*."""
        return naming.local_name(self._settings.name_prefix, self._settings.stack, kind)

    def _diagnostics(self) -> None:
        """Send the account's logs and metrics to a Log Analytics workspace."""
        workspace = operationalinsights.Workspace(
            "logs",
            workspace_name=self._resource_name("log"),
            resource_group_name=self._scope.group,
            location=self._scope.location,
            sku=operationalinsights.WorkspaceSkuArgs(
                name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018
            ),
            retention_in_days=self._settings.log_retention_days,
            tags=self._scope.tags,
            opts=self._child_options,
        )
        monitor.DiagnosticSetting(
            "diagnostics",
            name="to-log-analytics",
            resource_uri=self._account.account_id,
            workspace_id=workspace.id,
            logs=[monitor.DiagnosticsLogSettingsArgs(category_group="allLogs", enabled=True)],
            metrics=[monitor.DiagnosticsMetricSettingsArgs(category="AllMetrics", enabled=True)],
            opts=self._child_options,
        )

    def _alerts(self) -> None:
        """Send alerts when tasks or nodes fail."""
        people = monitor.ActionGroup(
            "people",
            action_group_name=self._resource_name("people"),
            resource_group_name=self._scope.group,
            location="global",
            group_short_name=self._settings.name_prefix,
            enabled=True,
            email_receivers=[
                monitor.MicrosoftCommonEmailReceiverArgs(
                    name="operator",
                    email_address=self._settings.alert_email,
                    use_common_alert_schema=True,
                )
            ],
            tags=self._scope.tags,
            opts=self._child_options,
        )
        for name, (metric, words) in ALERTS.items():
            self._alert(name, metric, words, people)

    def _alert(self, name: str, metric: str, words: str, people: monitor.ActionGroup) -> None:
        """Alert *people* when *metric* is above zero within 15 minutes."""
        monitor.MetricAlert(
            name,
            rule_name=self._resource_name(name),
            resource_group_name=self._scope.group,
            location="global",
            description=f"{words}: `runner doctor` says why",
            enabled=True,
            severity=2,
            scopes=[self._account.account_id],
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
            tags=self._scope.tags,
            opts=self._child_options,
        )

    def _budget(self) -> None:
        """Watch the cost of this stack, including nodes, which are found by their tag.

        In user-subscription mode, Batch creates them outside this resource group. The first month is a setting,
        because the current month would differ at every `up`.
        """
        people = [self._settings.alert_email]
        consumption.Budget(
            "budget",
            budget_name=self._resource_name("budget"),
            scope=self._scope.subscription_scope,
            amount=self._settings.monthly_budget,
            category=consumption.CategoryType.COST,
            time_grain=consumption.TimeGrainType.MONTHLY,
            time_period=consumption.BudgetTimePeriodArgs(
                start_date=f"{self._settings.budget_start}T00:00:00Z"
            ),
            filter=consumption.BudgetFilterArgs(
                tags=consumption.BudgetComparisonExpressionArgs(
                    name="stack",
                    operator=consumption.BudgetOperatorType.IN_,
                    values=[self._settings.all_tags["stack"]],
                )
            ),
            notifications={
                "most-is-spent": notification(people, 80, consumption.ThresholdType.ACTUAL),
                "too-much-is-coming": notification(
                    people, 100, consumption.ThresholdType.FORECASTED
                ),
            },
            opts=self._child_options,
        )


def notification(
    people: list[str], percent: int, kind: consumption.ThresholdType
) -> consumption.NotificationArgs:
    """Notify *people* at *percent* of the budget."""
    return consumption.NotificationArgs(
        enabled=True,
        operator=consumption.OperatorType.GREATER_THAN_OR_EQUAL_TO,
        threshold=percent,
        threshold_type=kind,
        contact_emails=people,
    )
