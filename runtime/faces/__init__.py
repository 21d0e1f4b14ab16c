"""Find faces and their landmarks."""

from runtime.faces.attention_mesh import AttentionMesh
from runtime.faces.blazeface import BlazeFace
from runtime.faces.counters import DetectionCount, counters
from runtime.faces.detector import FaceDetector, MeshReader
from runtime.faces.facemesh import FaceMesh, Roi
from runtime.faces.mesh_points import mesh_face_box, mouth_opening, roll_angle
from runtime.faces.s3fd import S3FDDetector
from runtime.faces.tracking import BlazeFaceMesh

__all__ = [
    "AttentionMesh",
    "BlazeFace",
    "BlazeFaceMesh",
    "DetectionCount",
    "FaceDetector",
    "FaceMesh",
    "MeshReader",
    "Roi",
    "S3FDDetector",
    "counters",
    "mesh_face_box",
    "mouth_opening",
    "roll_angle",
]
