"""Get readings out of machines: OPC UA, MQTT and recorded files.

A collector takes a source from the settings, a directory of known signals and a sink; it hands the sink
column-wise batches, waits until they are durable, and only then acknowledges to the device or broker.
Knows the plant's vocabulary and nothing else of the product.
"""

from collectors.discovery import DiscoveredTag, discover_mqtt, discover_opcua
from collectors.exception_report import ReportByException
from collectors.listening import listen
from collectors.mapping import MappedValue, Mapping, mapped_filters
from collectors.memory import remembered_workers
from collectors.mqtt import MqttCollector
from collectors.mqtt_connection import Tls
from collectors.opcua import OpcUaCollector
from collectors.opcua_certificates import Certificate, CertificateStore
from collectors.opcua_client import offered
from collectors.opcua_spot import SpotReading, SpotReport, read_spot
from collectors.recording import Recording, RecordingError, read_recording
from collectors.replay import ReplayCounts, replay_csv
from collectors.sources import MqttSource, OpcUaNode, OpcUaSampling, OpcUaSource, is_mqtt_url
from collectors.status import CollectorStatus, OfflineDevice
from collectors.try_out import Trial, TriedReading, try_mapping

__all__ = [
    "Certificate",
    "CertificateStore",
    "CollectorStatus",
    "DiscoveredTag",
    "MappedValue",
    "Mapping",
    "MqttCollector",
    "MqttSource",
    "OfflineDevice",
    "OpcUaCollector",
    "OpcUaNode",
    "OpcUaSampling",
    "OpcUaSource",
    "Recording",
    "RecordingError",
    "ReplayCounts",
    "ReportByException",
    "SpotReading",
    "SpotReport",
    "Tls",
    "Trial",
    "TriedReading",
    "discover_mqtt",
    "discover_opcua",
    "is_mqtt_url",
    "listen",
    "mapped_filters",
    "offered",
    "read_recording",
    "read_spot",
    "remembered_workers",
    "replay_csv",
    "try_mapping",
]
