"""Writes a tiny llama model of random weights: GGUF, about 1 MB, from a seed.

It makes no sense, but it is a real model: a real server tokenises for it,
samples from it and streams it.

Usage: tiny_model.py OUTPUT
"""

import sys

import gguf
import numpy as np

SEED = 20_260_101
WIDTH, LAYERS, HEADS, FEED_FORWARD = 64, 2, 4, 128
CONTEXT = 4096

# A template that shows the model each role, as real ones do.
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}")

WORDS = ("the a of to and in is it you that he was for on are with as his they "
         "be at one have this from or had by hot but some what there we can "
         "out other were all your when up use word how said an each she which "
         "do their time if will way about many then them would write like so "
         "these her long make thing see him two has look more day could go come "
         "did my sound no most number who over know water than call first "
         "people may down side been now find").split()


def vocabulary():
    """A byte-fallback vocabulary: controls, every byte, some words."""
    tokens = [b"<unk>", b"<s>", b"</s>"]
    types = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL,
             gguf.TokenType.CONTROL]
    for byte in range(256):
        tokens.append(f"<0x{byte:02X}>".encode())
        types.append(gguf.TokenType.BYTE)
    pieces = [chr(c) for c in range(33, 127)] + ["\u2581"]
    pieces += ["\u2581" + word for word in WORDS]
    for piece in pieces:
        tokens.append(piece.encode())
        types.append(gguf.TokenType.NORMAL)
    # Longer pieces win in tokenisation.
    scores = [float(len(token)) for token in tokens]
    return tokens, scores, types


def write(path):
    random = np.random.default_rng(SEED)
    tokens, scores, types = vocabulary()

    def matrix(*shape):
        return random.normal(0, 0.2, shape).astype(np.float32)

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(CHAT_TEMPLATE)

    writer.add_tensor("token_embd.weight", matrix(len(tokens), WIDTH))
    writer.add_tensor("output.weight", matrix(len(tokens), WIDTH))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"{block}{name}.weight", matrix(WIDTH, WIDTH))
        writer.add_tensor(f"{block}ffn_gate.weight",
                          matrix(FEED_FORWARD, WIDTH))
        writer.add_tensor(f"{block}ffn_up.weight", matrix(FEED_FORWARD, WIDTH))
        writer.add_tensor(f"{block}ffn_down.weight",
                          matrix(WIDTH, FEED_FORWARD))
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}{name}.weight",
                              np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(sys.argv[1])
