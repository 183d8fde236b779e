"""Tiny random checkpoints of every model family, written as their real makers write them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import transformers as hf
from safetensors.torch import save_file

SIDE = 32
WORDS = [*list("一只猫狗"), "a", "dog", "cat", "red", "two", "men", "on", "the", "beach", "coffee"]
TOWER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
VISION: dict[str, Any] = {**TOWER, "image_size": SIDE, "patch_size": 8}


def _bert_tokenizer(limit: int) -> Any:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    letters = [f"{mark}{chr(code)}" for mark in ("", "##") for code in range(97, 123)]
    vocab = {word: index for index, word in enumerate(dict.fromkeys([*words, *letters]))}
    return hf.BertTokenizer(vocab=vocab, model_max_length=limit)


def clip_tokenizer(limit: int = 77) -> Any:
    """Return a CLIP tokenizer that knows letters alone."""
    letters = [f"{chr(code)}{end}" for code in range(97, 123) for end in ("", "</w>")]
    vocab = {word: i for i, word in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
    return hf.CLIPTokenizer(vocab=vocab, merges=[], model_max_length=limit)


def _crop(kind: Any) -> Any:
    return kind(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})


def _save(folder: Path, *parts: Any) -> None:
    for part in parts:
        part.save_pretrained(folder)


def _clip(folder: Path) -> None:
    text = {**TOWER, "vocab_size": 54, "max_position_embeddings": 16, "eos_token_id": 53}
    config = hf.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=24)
    _save(folder, hf.CLIPModel(config), clip_tokenizer(16), _crop(hf.CLIPImageProcessorPil))


def _siglip(folder: Path) -> None:
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(" ".join(WORDS) for _ in range(50)), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(folder / "spiece"),
        vocab_size=64,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    corpus.unlink()
    tokenizer = hf.SiglipTokenizer(str(folder / "spiece.model"), model_max_length=16)
    text = {**TOWER, "vocab_size": 70, "max_position_embeddings": 16, "projection_size": 32}
    config = hf.SiglipConfig(text_config=text, vision_config=VISION)
    processor = hf.SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    _save(folder, hf.SiglipModel(config), tokenizer, processor)


def _siglip2(folder: Path) -> None:
    letters = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁"]
    vocab = {piece: i for i, piece in enumerate([*letters, *map(chr, range(97, 123))])}
    tokenizer = hf.Siglip2Tokenizer(vocab=vocab, merges=[], model_max_length=16)
    text = {**TOWER, "vocab_size": 40, "max_position_embeddings": 16, "projection_size": 32}
    vision = {**TOWER, "patch_size": 8, "num_patches": 16}
    config = hf.Siglip2Config(text_config=text, vision_config=vision)
    processor = hf.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)
    _save(folder, hf.Siglip2Model(config), tokenizer, processor)


def _vision_text_dual_encoder(folder: Path) -> None:
    config = hf.VisionTextDualEncoderConfig.from_vision_text_configs(
        hf.ViTConfig(**VISION),
        hf.BertConfig(**TOWER, vocab_size=80, max_position_embeddings=32),
        projection_dim=24,
    )
    processor = hf.ViTImageProcessorPil(size={"height": SIDE, "width": SIDE})
    model = hf.VisionTextDualEncoderModel(config)
    _save(folder, model, _bert_tokenizer(32), processor)


def _chinese_clip(folder: Path) -> None:
    text = {**TOWER, "vocab_size": 80, "max_position_embeddings": 32}
    config = hf.ChineseCLIPConfig(text_config=text, vision_config=VISION, projection_dim=24)
    processor = _crop(hf.ChineseCLIPImageProcessorPil)
    _save(folder, hf.ChineseCLIPModel(config), _bert_tokenizer(32), processor)


def _altclip(folder: Path) -> None:
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces = [("▁", -3.0), *((f"▁{word}", -2.0) for word in WORDS)]
    pieces += [(chr(code), -4.0) for code in range(98, 123)]
    tokenizer = hf.XLMRobertaTokenizer(vocab=[*special, *pieces], model_max_length=16)
    text = {**TOWER, "vocab_size": 80, "max_position_embeddings": 18, "project_dim": 32}
    config = hf.AltCLIPConfig(text_config=text, vision_config=VISION, projection_dim=24)
    _save(folder, hf.AltCLIPModel(config), tokenizer, _crop(hf.CLIPImageProcessorPil))


FAMILIES: dict[str, Callable[[Path], None]] = {
    "clip": _clip,
    "siglip": _siglip,
    "siglip2": _siglip2,
    "vision-text-dual-encoder": _vision_text_dual_encoder,
    "chinese_clip": _chinese_clip,
    "altclip": _altclip,
}


def write(family: str, folder: Path) -> Path:
    """Write a tiny random checkpoint of ``family`` into ``folder``; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    FAMILIES[family](folder)
    return folder


def write_sentence_tower(folder: Path, width: int = 24) -> Path:
    """Write a tiny Sentence-Transformers text tower: DistilBERT, mean pooling, a dense layer."""
    torch.manual_seed(0)
    config = hf.DistilBertConfig(
        dim=32, hidden_dim=64, n_layers=2, n_heads=4, vocab_size=80, max_position_embeddings=32
    )
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder, hf.DistilBertModel(config), _bert_tokenizer(32))
    for name, content in _sentence_files(width).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    save_file({"linear.weight": torch.randn(width, 32)}, folder / "2_Dense/model.safetensors")
    return folder


def write_bert(folder: Path) -> Path:
    """Write a tiny BERT with its tokenizer."""
    torch.manual_seed(0)
    config = hf.BertConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        vocab_size=80,
    )
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder, hf.BertModel(config), _bert_tokenizer(512))
    return folder


def _sentence_files(width: int) -> dict[str, Any]:
    kinds = ["Transformer", "Pooling", "Dense"]
    paths = ["", "1_Pooling", "2_Dense"]
    return {
        "modules.json": [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (kind, path) in enumerate(zip(kinds, paths, strict=True))
        ],
        "sentence_bert_config.json": {"max_seq_length": 20, "do_lower_case": False},
        "1_Pooling/config.json": {
            "word_embedding_dimension": 32,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
        },
        "2_Dense/config.json": {
            "in_features": 32,
            "out_features": width,
            "bias": False,
            "activation_function": "torch.nn.modules.linear.Identity",
        },
    }
