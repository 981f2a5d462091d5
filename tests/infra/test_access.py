"""Every role that is given, to whom and where: no more than this."""

from infra.access import OPERATOR_BATCH_ROLES, ROLES
from tests.emulator.roles import find_role
from tests.infra.existing import STORAGE
from tests.infra.mocked import OPERATOR, Deployed, deploy
from tests.infra.provider.kinds import BATCH_SERVICE, SUBSCRIPTION
from tests.infra.provider.names import made_up_id


def principal(deployed: Deployed, name: str) -> str:
    return made_up_id(deployed.one("managedidentity:UserAssignedIdentity", name).id, "principal")


def grants(deployed: Deployed) -> set[tuple[str, str, str]]:
    """List who has which role on what, in words."""
    who = {
        OPERATOR: "operator",
        BATCH_SERVICE: "Batch",
        **{
            principal(deployed, each.name): each.name
            for each in deployed.all("managedidentity:UserAssignedIdentity")
        },
    }
    roles = {guid: name for name, guid in ROLES.items()}
    scopes = {each.id: each.name for each in deployed.resources}
    scopes[f"/subscriptions/{SUBSCRIPTION}"] = "subscription"
    return {(who[to], roles[role], scopes[at]) for to, role, at in deployed.grants()}


EXAMPLE = {
    ("pool-identity", "Storage Blob Data Reader", "input"),
    ("pool-identity", "Storage Blob Data Reader", "tools"),
    ("pool-identity", "Storage Blob Data Contributor", "output"),
    ("operator", "Storage Blob Data Contributor", "input"),
    ("operator", "Storage Blob Data Contributor", "output"),
    ("operator", "Storage Blob Data Contributor", "tools"),
    ("operator", "Azure Batch Job Submitter", "ffmpegdevba"),
    ("operator", "Azure Batch Account Reader", "ffmpegdevba"),
}


def test_the_roles_are_those_that_the_emulators_act_out() -> None:
    assert {name: find_role(guid).name for name, guid in ROLES.items()} == {n: n for n in ROLES}
    every = {role for roles in OPERATOR_BATCH_ROLES.values() for role in roles.values()}
    assert every <= set(ROLES)


def test_these_are_all_the_roles_there_are(example: Deployed) -> None:
    assert grants(example) == EXAMPLE


def test_an_operator_who_resizes_pools_gets_the_wider_role_instead() -> None:
    found = grants(deploy(operatorBatchRole="dataContributor"))
    assert ("operator", "Azure Batch Data Contributor", "ffmpegdevba") in found
    of_batch = {role for who, role, _ in found if who == "operator" and "Batch" in role}
    assert of_batch == {"Azure Batch Data Contributor"}


def test_the_operator_may_be_a_group() -> None:
    deployed = deploy(operatorPrincipalType="Group")
    kinds = {
        each.inputs["principalType"]
        for each in deployed.all("authorization:RoleAssignment")
        if each.inputs["principalId"] == OPERATOR
    }
    assert kinds == {"Group"}


def test_every_operator_has_the_same_roles_and_the_first_keeps_its_own() -> None:
    pipeline = OPERATOR.replace("2", "7")
    deployed = deploy(moreOperators=f'["ServicePrincipal:{pipeline}"]')
    given = deployed.all("authorization:RoleAssignment")
    of = {
        who: {
            (each.inputs["roleDefinitionId"], each.inputs["scope"])
            for each in given
            if each.inputs["principalId"] == who
        }
        for who in (OPERATOR, pipeline)
    }
    assert of[OPERATOR] == of[pipeline]
    assert len(of[OPERATOR]) == 5
    kinds = {e.inputs["principalType"] for e in given if e.inputs["principalId"] == pipeline}
    assert kinds == {"ServicePrincipal"}
    before = {each.name for each in deploy().all("authorization:RoleAssignment")}
    assert before <= {each.name for each in given}


FILMS = f"{STORAGE}/blobServices/default/containers/films"
MP3 = f"{STORAGE}/blobServices/default/containers/mp3"


def media_grants(deployed: Deployed) -> set[tuple[str, str, str]]:
    """The roles that are given besides the usual ones."""
    usual = {each.name for each in deploy().all("authorization:RoleAssignment")}
    new = [e for e in deployed.all("authorization:RoleAssignment") if e.name not in usual]
    roles = {guid: name for name, guid in ROLES.items()}
    of = {each.inputs["principalId"]: each for each in new}
    who = {key: "operator" if key == OPERATOR else "nodes" for key in of}
    return {
        (
            who[each.inputs["principalId"]],
            roles[each.inputs["roleDefinitionId"].rpartition("/")[2]],
            each.inputs["scope"],
        )
        for each in new
    }


def test_containers_of_media_are_opened_to_nodes_and_operators_and_nothing_else_of_their_account() -> (
    None
):
    deployed = deploy(readContainers=f'["{FILMS}"]', writeContainers=f'["{MP3}"]')
    assert media_grants(deployed) == {
        ("nodes", "Storage Blob Data Reader", FILMS),
        ("operator", "Storage Blob Data Reader", FILMS),
        ("nodes", "Storage Blob Data Contributor", MP3),
        ("operator", "Storage Blob Data Contributor", MP3),
    }
    assert deployed.outputs["read_containers"] == [FILMS]
    assert deployed.outputs["write_containers"] == [MP3]


def test_operators_sign_addresses_in_accounts_of_media_where_nodes_have_no_identity() -> None:
    found = media_grants(deploy(poolIdentity="false", readContainers=f'["{FILMS}"]'))
    assert {(who, role) for who, role, _ in found} == {
        ("operator", "Storage Blob Data Reader"),
        ("operator", "Storage Blob Delegator"),
    }
    assert STORAGE.lower() in {at for _, _, at in found}


def test_nodes_without_an_identity_leave_the_signing_to_the_operator() -> None:
    deployed = deploy(poolIdentity="false")
    assert grants(deployed) - EXAMPLE == {("operator", "Storage Blob Delegator", "ffmpegdevst")}
    assert EXAMPLE - grants(deployed) == {each for each in EXAMPLE if each[0] == "pool-identity"}
    assert "identity" not in deployed.one("batch:Pool").inputs
    assert deployed.outputs["pool_identity_id"] == ""


def test_auto_storage_lets_the_accounts_identity_write_before_the_account_is_made() -> None:
    deployed = deploy(autoStorage="true")
    assert grants(deployed) - EXAMPLE == {
        ("account-identity", "Storage Blob Data Contributor", "ffmpegdevst")
    }
    assert "account-writes-storage" in deployed.one("batch:BatchAccount").dependencies


def test_a_vault_by_roles_gives_batch_its_role_before_the_account_is_made() -> None:
    deployed = deploy(keyVaultPermissionModel="rbac")
    assert grants(deployed) - EXAMPLE == {("Batch", "Key Vault Secrets Officer", "ffmpegdevkv")}
    assert "batch-uses-vault" in deployed.one("batch:BatchAccount").dependencies


def test_the_subscriptions_role_is_given_only_when_asked_for_and_outlives_the_stack() -> None:
    deployed = deploy(manageSubscriptionRole="true")
    assert grants(deployed) - EXAMPLE == {
        ("Batch", "Azure Batch Service Orchestration Role", "subscription")
    }
    role = deployed.one("authorization:RoleAssignment", "batch-makes-nodes")
    assert role.request.protect
    assert role.request.retainOnDelete
    assert "batch-makes-nodes" in deployed.one("batch:BatchAccount").dependencies


def test_no_other_grant_is_protected_or_retained(example: Deployed) -> None:
    for each in example.all("authorization:RoleAssignment"):
        assert not each.request.protect
        assert not each.request.retainOnDelete


def test_every_grant_says_what_kind_of_principal_it_is_for(example: Deployed) -> None:
    kinds = {
        each.name: each.inputs["principalType"]
        for each in example.all("authorization:RoleAssignment")
    }
    assert all(kind == "ServicePrincipal" for name, kind in kinds.items() if "pool" in name)
    assert all(kind == "User" for name, kind in kinds.items() if "operator" in name)


def test_grants_have_the_same_names_the_next_time(example: Deployed) -> None:
    again = deploy()
    names = [
        {each.inputs["roleAssignmentName"] for each in deployed.all("authorization:RoleAssignment")}
        for deployed in (example, again)
    ]
    assert names[0] == names[1]
    assert len(names[0]) == len(EXAMPLE)
