"""The service's errors: each code with its HTTP status and its words, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ERRORS: dict[str, tuple[int, str]] = {
    "AuthenticationFailed": (
        403,
        (
            "Server failed to authenticate the request. Make sure the value of Authorization header "
            "is formed correctly including the signature."
        ),
    ),
    "ConditionNotMet": (412, "The condition specified in the request is not met."),
    "FileNotFound": (404, "The specified file does not exist."),
    "InternalError": (
        500,
        "Server encountered an internal error. Please try again after some time.",
    ),
    "InvalidAutoScalingSettings": (400, "The specified autoscaling settings are not valid."),
    "AutoScalingFormulaSyntaxError": (400, "The specified autoscaling formula has a syntax error."),
    "AutoScalingFormulaTooLong": (400, "The autoscaling formula exceeds the maximum length."),
    "InvalidHeaderValue": (
        400,
        "The value provided for one of the HTTP headers was not in the correct format.",
    ),
    "InvalidPropertyValue": (
        400,
        "The value provided for one of the properties in the request body is invalid.",
    ),
    "InvalidQueryParameterValue": (
        400,
        "Value for one of the query parameters specified in the request URI is invalid.",
    ),
    "InvalidRange": (416, "The range specified is invalid for the current size of the resource."),
    "InvalidRequestBody": (400, "The specified Request Body is not syntactically valid."),
    "InvalidUri": (400, "The requested URI does not represent any resource on the server."),
    "JobBeingDeleted": (
        409,
        "The specified job is marked for deletion and is being garbage collected.",
    ),
    "JobBeingTerminated": (409, "The specified job is being terminated."),
    "JobCompleted": (409, "The specified job is already in a completed state."),
    "JobDisabled": (409, "The specified job is disabled."),
    "JobExists": (409, "The specified job already exists."),
    "JobNotActive": (409, "The operation cannot be performed because the job is not active."),
    "JobNotFound": (404, "The specified job does not exist."),
    "ActiveJobAndScheduleQuotaReached": (
        409,
        "The specified account has reached the quota of active jobs and job schedules.",
    ),
    "MissingRequiredHeader": (400, "A required HTTP header is missing from the request."),
    "MissingRequiredProperty": (400, "A required property was not specified in the request body."),
    "MissingRequiredQueryParameter": (
        400,
        "A query parameter that's mandatory for this request is not specified.",
    ),
    "NodeAlreadyInTargetSchedulingState": (
        409,
        "The specified node is already in the target scheduling state.",
    ),
    "NodeBeingCreated": (409, "The specified node is being created."),
    "NodeBeingRebooted": (409, "The specified node is being rebooted."),
    "NodeBeingStarted": (409, "The specified node is being started."),
    "NodeNotFound": (404, "The specified node does not exist."),
    "NodeNotReady": (409, "The specified node is not ready."),
    "NodeStateUnusable": (409, "The specified node is unusable."),
    "NotImplemented": (501, "The emulator leaves this out."),
    "OperationInvalidForCurrentState": (
        409,
        "The operation is not valid for the current state of the resource.",
    ),
    "OperationNotValidOnNode": (409, "The requested operation is not valid for the node."),
    "OperationNotValidOnPool": (409, "The requested operation is not valid for the pool."),
    "OutOfRangeQueryParameterValue": (
        400,
        "A query parameter specified in the request URI is outside the permissible range.",
    ),
    # the service's own code for a principal without a role is not confirmed by any source
    "PermissionDenied": (403, "The user identity does not have the required permission."),
    "PoolBeingDeleted": (409, "The specified pool is being deleted."),
    "PoolBeingResized": (409, "The specified pool is being resized."),
    "PoolExists": (409, "The specified pool already exists."),
    "PoolNotFound": (404, "The specified pool does not exist."),
    "PoolQuotaReached": (409, "The pool quota for the specified account has been reached."),
    "RequestBodyTooLarge": (
        413,
        "The request body is too large and exceeds the maximum permissible limit.",
    ),
    "ServerBusy": (503, "Server is busy. Please retry the operation after some time."),
    "TaskCompleted": (409, "The specified task is already in a completed state."),
    "TaskDependenciesNotSpecifiedOnJob": (
        400,
        "The specified task has dependencies, but its job does not have usesTaskDependencies set.",
    ),
    "TaskDependencyListTooLong": (400, "The list of task dependencies is too long."),
    "TaskExists": (409, "The specified task already exists."),
    "TaskFilesCleanedup": (409, "The files of the specified task have been cleaned up."),
    "TaskFilesUnavailable": (409, "The files of the specified task are unavailable."),
    "TaskNotCompleted": (409, "The specified task is not in a completed state."),
    "TaskNotFound": (404, "The specified task does not exist."),
    "TaskSucceeded": (409, "The specified task has succeeded."),
    "TooManyEnableAutoScaleRequests": (
        503,
        "Requests to enable autoscale on one pool must be separated by at least 30 seconds.",
    ),
    "TooManyRequests": (429, "Too many requests. Please retry after some time."),
    "UnsupportedHttpVerb": (405, "The resource doesn't support the specified HTTP verb."),
    "UnsupportedProperty": (
        400,
        "One of the properties in the request body is not supported.",
    ),
    "UnsupportedQueryParameter": (
        400,
        "One of the query parameters specified in the request URI is not supported.",
    ),
    "UnsupportedRequestVersion": (400, "The specified api version is not supported."),
}


class BatchError(Exception):
    """An answer that refuses, with the service's own code.

    *values* are the answer's ``values``: what in particular was wrong.
    """

    def __init__(
        self,
        code: str,
        values: Mapping[str, object] | None = None,
        *,
        status: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        usual_status, self.message = ERRORS.get(code, (500, code))
        self.status = status or usual_status
        self.retry_after = retry_after
        """Seconds, for the header; None leaves it out."""
        self.values = {key: str(value) for key, value in (values or {}).items()}


def invalid_property(name: str, value: object, reason: str) -> BatchError:
    return BatchError(
        "InvalidPropertyValue", {"PropertyName": name, "PropertyValue": value, "Reason": reason}
    )


def invalid_query(name: str, value: object, reason: str) -> BatchError:
    return BatchError(
        "InvalidQueryParameterValue",
        {"QueryParameterName": name, "QueryParameterValue": value, "Reason": reason},
    )
