"""An ONNX file as MLServer serves models of one's own: a tensor in, a tensor out."""

from __future__ import annotations

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from onnxruntime import InferenceSession, SessionOptions


class OnnxModel(MLModel):
    """A model of one input."""

    async def load(self) -> bool:
        options = SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = self.settings.parameters.uri
        self._session = InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        (given,) = payload.inputs
        outputs = self._session.run(None, {given.name: NumpyCodec.decode_input(given)})
        names = [output.name for output in self._session.get_outputs()]
        shown = [NumpyCodec.encode_output(*each) for each in zip(names, outputs, strict=True)]
        return InferenceResponse(model_name=self.name, outputs=shown)
