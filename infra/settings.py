"""All that a stack's configuration may say, with the defaults and what follows from them. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from infra.images import Image, end_of_support, parse_image
from infra.node_ffmpeg import ARM64, X86_64, EmbeddedFfmpeg
from infra.scaling import Scale
from infra.start_task import Source
from infra.vm_sizes import VmSize, parse_vm_size
from infra.zones import ZONES


@dataclass(frozen=True, kw_only=True)
class PoolEntry:
    """A pool in the list `pools`."""

    name: str = ""
    purpose: str = ""
    default: bool = False
    own: Mapping[str, Any] = field(default_factory=dict)
    """By the names of fields below; what is not here is as the stack has it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `pulumi config` may set; the keys are these names in camelCase.

    The defaults stand here, and Pulumi.yaml repeats them for the CLI. Days, GiB and minutes are
    whole numbers; a name left empty is made by the program.
    """

    project: str
    stack: str
    location: str

    resource_group: str = ""
    name_prefix: str = "ffmpeg"
    tags: Mapping[str, str] = field(default_factory=dict)
    operator_principal_id: str = ""
    operator_principal_type: Literal["User", "Group", "ServicePrincipal"] = "User"
    more_operators: tuple[str, ...] = ()
    operator_batch_role: Literal["jobSubmitter", "dataContributor"] = "jobSubmitter"

    pool_allocation_mode: Literal["UserSubscription", "BatchService"] = "UserSubscription"
    batch_service_principal_object_id: str = ""
    manage_subscription_role: bool = False
    batch_account_name: str = ""
    batch_account_id: str = ""
    allow_shared_key: bool = False
    auto_storage: bool = False
    batch_allowed_ips: tuple[str, ...] = ()
    key_vault_name: str = ""
    key_vault_id: str = ""
    key_vault_permission_model: Literal["accessPolicy", "rbac"] = "accessPolicy"
    key_vault_soft_delete_days: int = 7
    key_vault_purge_protection: bool = False
    key_vault_allowed_ips: tuple[str, ...] = ()

    storage_account_name: str = ""
    storage_account_id: str = ""
    storage_redundancy: Literal["Standard_LRS", "Standard_ZRS", "Standard_GRS"] = "Standard_LRS"
    storage_allowed_ips: tuple[str, ...] = ()
    storage_encryption_key: str = ""
    storage_encryption_identity_id: str = ""
    soft_delete_days: int = 7
    expire_input_days: int = 7
    expire_output_days: int = 30
    protect_data: bool = True

    network: Literal["own", "none"] = "own"
    subnet_id: str = ""
    vnet_cidr: str = "10.64.0.0/22"
    subnet_cidr: str = "10.64.0.0/24"
    egress: Literal["auto", "natGateway", "batchManagedPublicIp", "subnet", "none"] = "auto"
    service_tag_region: str = ""
    public_network_access: bool = True
    private_endpoint_subnet_id: str = ""
    private_endpoint_subnet_cidr: str = "10.64.3.224/27"
    private_dns_zone_ids: tuple[str, ...] = ()

    pools: tuple[PoolEntry, ...] = ()
    image: str = "jammy"
    node_agent_sku_id: str = ""
    image_has_ffmpeg: bool = False
    node_ffmpeg: Literal["embedded", "embeddedOnly", "apt"] = "embedded"
    package_mirror: str = ""
    package_proxy: str = ""
    vm_size: str = "Standard_D4ads_v5"
    os_disk_size_gb: int = 0
    task_slots_per_node: int = 0
    pool_identity: bool = True
    pool_identity_id: str = ""
    pool_generation: int = 1

    scale: Literal["auto", "fixed"] = "auto"
    max_spot_nodes: int = 10
    max_dedicated_nodes: int = 0
    min_dedicated_nodes: int = 0
    autoscale_minutes: int = 5
    fixed_spot_nodes: int = 0
    fixed_dedicated_nodes: int = 0

    log_analytics: bool = False
    log_retention_days: int = 30
    monitor_agent: bool = False
    alert_email: str = ""
    monthly_budget: int = 0
    budget_start: str = ""

    @property
    def is_user_subscription(self) -> bool:
        """Whether the nodes are made in the user's subscription rather than in Batch's."""
        return self.pool_allocation_mode == "UserSubscription"

    @property
    def has_vault(self) -> bool:
        """Whether a vault is given to a Batch account that is made here."""
        return self.is_user_subscription and not self.batch_account_id

    @property
    def creates_network(self) -> bool:
        """Whether the program makes the nodes' network, rather than being given a subnet."""
        return self.network == "own" and not self.subnet_id

    @property
    def effective_egress(self) -> str:
        """The nodes' way to the Internet, with `auto` decided."""
        if self.egress != "auto":
            return self.egress
        if self.subnet_id:
            return "subnet"
        return "natGateway" if self.network == "own" else "batchManagedPublicIp"

    @property
    def private_subresources(self) -> tuple[str, ...]:
        """What is made here and reached by private endpoints, in Private Link's names.

        What is given by its id has its owner's ways in.
        """
        if self.public_network_access:
            return ()
        made = {
            "blob": not self.storage_account_id,
            "vault": self.has_vault and not self.key_vault_id,
            "batchAccount": not self.batch_account_id,
            "nodeManagement": not self.batch_account_id,
        }
        return tuple(each for each, is_made in made.items() if is_made)

    @property
    def private_dns_zones(self) -> tuple[str, ...]:
        """The names of the zones that these have their addresses in."""
        return tuple(dict.fromkeys(ZONES[each] for each in self.private_subresources))

    @property
    def machine(self) -> VmSize:
        """What the VM size means."""
        machine = parse_vm_size(self.vm_size)
        assert machine is not None, "checked"
        return machine

    @property
    def node_image(self) -> Image:
        """What the nodes start from."""
        image = parse_image(self.image, self.node_agent_sku_id)
        assert image is not None, "checked"
        return image

    @property
    def embedded_ffmpeg(self) -> EmbeddedFfmpeg | None:
        """The binary that `runner` puts into storage for the nodes; None where they want none.

        They fetch it as themselves. A signed address instead would end after days, and be no
        longer valid for the nodes to come.
        """
        if self.image_has_ffmpeg or self.node_ffmpeg == "apt" or not self.pool_identity:
            return None
        return ARM64 if self.machine.is_arm else X86_64

    @property
    def installs_packages(self) -> bool:
        """Whether nodes may install ffmpeg from a package mirror."""
        return not self.image_has_ffmpeg and self.node_ffmpeg != "embeddedOnly"

    @property
    def ffmpeg_source(self) -> Source:
        """Where nodes get ffmpeg from."""
        embedded = self.embedded_ffmpeg
        return Source(
            embedded=embedded.sha256 if embedded else "",
            apt=self.installs_packages,
            mirror=self.package_mirror,
            proxy=self.package_proxy,
        )

    @property
    def slots(self) -> int:
        """Tasks that one node runs at once."""
        return self.task_slots_per_node or self.machine.vcpus

    @property
    def autoscale(self) -> Scale | None:
        """The bounds of a pool that scales itself; None for one of fixed size."""
        if self.scale == "fixed":
            return None
        return Scale(
            slots=self.slots,
            max_spot=self.max_spot_nodes,
            max_dedicated=self.max_dedicated_nodes,
            min_dedicated=self.min_dedicated_nodes,
            minutes=self.autoscale_minutes,
        )

    @property
    def most_spot_nodes(self) -> int:
        """The most Spot nodes that the pool ever has."""
        return self.fixed_spot_nodes if self.scale == "fixed" else self.max_spot_nodes

    @property
    def most_dedicated_nodes(self) -> int:
        """The most full-price nodes that the pool ever has."""
        return self.fixed_dedicated_nodes if self.scale == "fixed" else self.max_dedicated_nodes

    @property
    def max_nodes(self) -> int:
        """The most nodes that the pool ever has, Spot and dedicated."""
        return self.most_spot_nodes + self.most_dedicated_nodes

    @property
    def wants_monitoring(self) -> bool:
        """Whether anything is to be watched."""
        return self.log_analytics or bool(self.alert_email)

    @property
    def all_tags(self) -> dict[str, str]:
        """The user's tags, and the one that finds everything this stack pays for."""
        return {"managed-by": "pulumi", **self.tags, "stack": f"{self.project}/{self.stack}"}

    def warnings(self, today: date) -> Iterator[str]:
        """Say what works now and will not for long, or may not everywhere."""
        if words := end_of_support(self.node_image, today):
            yield words
        if not self.public_network_access:
            yield (
                "publicNetworkAccess false: `pulumi up` works from anywhere, but `runner` only on a "
                "machine inside the network (in it, peered with it or by VPN) that looks names up in "
                f"the private DNS zones ({', '.join(self.private_dns_zones) or 'those of what is given'})"
            )
        if self.machine.wants_generation_2 and self.image == "jammy":
            yield (
                f"{self.vm_size} starts generation-2 images only, and Batch's Jammy image is of "
                "generation 1: take a v5 size, or `pulumi config set image noble`"
            )
