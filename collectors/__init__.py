"""Get readings out of machines: OPC UA, MQTT, Sparkplug B and recorded files.

A collector takes a source from the settings, a directory of known signals and a sink; it hands the sink
column-wise batches, waits until they are durable, and only then acknowledges to the device or broker.
Knows the plant's vocabulary and nothing else of the product.
"""

from collectors.discovery import DiscoveredTag, discover_mqtt, discover_opcua
from collectors.edge import EDGE_TOPICS, edge_topic
from collectors.edge_batch import EdgeBatch, EdgeBatchError, decode_edge_batch, encode_edge_batch
from collectors.exception_report import ReportByException
from collectors.listening import listen
from collectors.mapping import MappedValue, Mapping, mapped_filters
from collectors.memory import Memory, remembered_workers
from collectors.mqtt import MqttCollector
from collectors.mqtt_connection import Connection, connect
from collectors.mqtt_session import Refused, SessionOptions, Tls, url_without_password
from collectors.opcua import OpcUaCollector
from collectors.opcua_certificates import Certificate, CertificateStore
from collectors.opcua_client import offered
from collectors.opcua_probe import OpcUaProbe, probe_opcua
from collectors.opcua_spot import SpotReading, SpotReport, read_spot
from collectors.recording import Recording, RecordingError, read_recording
from collectors.replay import ReplayCounts, replay_csv
from collectors.sources import MqttSource, OpcUaNode, OpcUaSampling, OpcUaSource, SparkplugSource, is_mqtt_url
from collectors.sparkplug import SparkplugCollector
from collectors.status import CollectorStatus, OfflineDevice
from collectors.targets import TargetRefused, Targets, set_targets, targets
from collectors.try_out import Trial, TriedReading, try_mapping

__all__ = [
    "EDGE_TOPICS",
    "Certificate",
    "CertificateStore",
    "CollectorStatus",
    "Connection",
    "DiscoveredTag",
    "EdgeBatch",
    "EdgeBatchError",
    "MappedValue",
    "Mapping",
    "Memory",
    "MqttCollector",
    "MqttSource",
    "OfflineDevice",
    "OpcUaCollector",
    "OpcUaNode",
    "OpcUaProbe",
    "OpcUaSampling",
    "OpcUaSource",
    "Recording",
    "RecordingError",
    "Refused",
    "ReplayCounts",
    "ReportByException",
    "SessionOptions",
    "SparkplugCollector",
    "SparkplugSource",
    "SpotReading",
    "SpotReport",
    "TargetRefused",
    "Targets",
    "Tls",
    "Trial",
    "TriedReading",
    "connect",
    "decode_edge_batch",
    "discover_mqtt",
    "discover_opcua",
    "edge_topic",
    "encode_edge_batch",
    "is_mqtt_url",
    "listen",
    "mapped_filters",
    "offered",
    "probe_opcua",
    "read_recording",
    "read_spot",
    "remembered_workers",
    "replay_csv",
    "set_targets",
    "targets",
    "try_mapping",
    "url_without_password",
]
