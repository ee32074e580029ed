"""What a report says, in English and in Chinese: one table, no sentence anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Lang = Literal["en", "zh"]
LANGS: tuple[Lang, ...] = get_args(Lang)


class Words:
    """The messages of one language.

    >>> Words("zh")("section.memory")
    '内存'
    >>> Words("en")("note.baseline", baseline="nin")
    'Ratios are to nin.'
    """

    def __init__(self, lang: Lang) -> None:
        self.lang = lang

    def __call__(self, key: str, **values: object) -> str:
        """The message of this key with its values. Raises KeyError for an unknown key."""
        return MESSAGES[key][self.lang].format(**values)

    def term(self, word: str) -> str:
        """The term for a word of a record, such as a class of work. Unknown words, such as names of
        users' operators, are returned unchanged."""
        if f"term.{word}" in MESSAGES:
            return MESSAGES[f"term.{word}"][self.lang]
        kind, _, window = word.partition(" ")  # conv 3×3
        known = f"term.{kind}" in MESSAGES and window
        return f"{self.term(kind)} {window}" if known else word


MESSAGES: Mapping[str, Mapping[Lang, str]] = {
    "title": {"en": "What {models} cost", "zh": "{models}的计算代价"},
    "title.and": {"en": " and ", "zh": " 与 "},
    "title.comma": {"en": ", ", "zh": "、"},
    "title.more": {"en": "{first} and {more} more", "zh": "{first} 等 {total} 个网络"},
    # Sections
    "section.summary": {"en": "Summary", "zh": "概览"},
    "section.example": {"en": "The worked example", "zh": "算例"},
    "section.layers": {"en": "Layers", "zh": "逐层"},
    "section.where": {
        "en": "Where parameters and MACs are",
        "zh": "参数与乘加（MACs）在哪里",
    },
    "section.memory": {"en": "Memory", "zh": "内存"},
    "section.latency": {"en": "Latency and roofline", "zh": "延迟与屋顶线（roofline）"},
    "section.accuracy": {"en": "Measured accuracy", "zh": "实测准确率"},
    "section.claims": {"en": "Published figures, checked", "zh": "核对已发表的数字"},
    "section.lint": {"en": "Remarks on the architectures", "zh": "对结构的提示"},
    "section.conventions": {"en": "Conventions", "zh": "计数约定"},
    "section.citation": {"en": "Citation", "zh": "引用"},
    # Columns
    "column.model": {"en": "model", "zh": "网络"},
    "column.input": {"en": "input H×W×C", "zh": "输入 H×W×C"},
    "column.params": {"en": "params", "zh": "参数"},
    "column.macs": {"en": "MACs", "zh": "MACs（乘加）"},
    "column.flops": {"en": "FLOPs", "zh": "FLOPs（运算）"},
    "column.peak": {"en": "peak act.", "zh": "激活峰值"},
    "column.median_time": {"en": "median time", "zh": "时间中位数"},
    "column.time_ratio": {"en": "× time", "zh": "时间比"},
    "column.predicted": {"en": "predicted", "zh": "预测时间"},
    "column.error": {"en": "error", "zh": "误差"},
    "column.predicted_low": {"en": "5 %", "zh": "5 % 分位"},
    "column.predicted_high": {"en": "95 %", "zh": "95 % 分位"},
    "column.accuracy": {"en": "test acc.", "zh": "测试准确率"},
    "column.params_ratio": {"en": "× params", "zh": "参数比"},
    "column.macs_ratio": {"en": "× MACs", "zh": "MACs 比"},
    "column.name": {"en": "name", "zh": "名称"},
    "column.op": {"en": "operator", "zh": "算子"},
    "column.kind": {"en": "kind", "zh": "类别"},
    "column.given": {"en": "input", "zh": "输入"},
    "column.output": {"en": "output H×W×C", "zh": "输出 H×W×C"},
    "column.output_any": {"en": "output (torch's order)", "zh": "输出（torch 次序）"},
    "column.macs_share": {"en": "share of MACs", "zh": "MACs 占比"},
    "column.moved": {"en": "bytes moved", "zh": "读写字节"},
    "column.working": {"en": "working", "zh": "算式"},
    "column.operations": {"en": "operations", "zh": "运算次数"},
    "column.live": {"en": "alive", "zh": "存活"},
    "column.intensity": {"en": "FLOPs/byte", "zh": "FLOPs/字节"},
    "column.form": {"en": "form", "zh": "形式"},
    "column.node": {"en": "node", "zh": "节点"},
    "column.working_macs": {"en": "MACs", "zh": "MACs（乘加）"},
    "column.block": {"en": "block", "zh": "模块"},
    "column.share": {"en": "share", "zh": "占比"},
    "column.params_share": {"en": "share of params", "zh": "参数占比"},
    "column.weights": {"en": "weights", "zh": "权重"},
    "column.saved": {"en": "kept for backward", "zh": "反向所需"},
    "column.peak_at": {"en": "peak at", "zh": "峰值位置"},
    "column.median": {"en": "median", "zh": "中位数"},
    "column.p10": {"en": "p10", "zh": "p10"},
    "column.p90": {"en": "p90", "zh": "p90"},
    "column.throughput": {"en": "items/s", "zh": "样本/秒"},
    "column.achieved": {"en": "GFLOP/s", "zh": "GFLOP/s"},
    "column.of_ceiling": {"en": "of ceiling", "zh": "占上限"},
    "column.bound": {"en": "lower bound", "zh": "下界"},
    "column.recipe": {"en": "recipe", "zh": "训练方案"},
    "column.averaged": {"en": "over views", "zh": "多视图准确率"},
    "column.spent": {"en": "FLOPs spent", "zh": "训练运算量"},
    "column.of_matrix_rate": {"en": "of matrix rate", "zh": "占矩阵峰值"},
    "column.data": {"en": "data", "zh": "数据集"},
    "column.trained_at": {"en": "trained at H×W×C", "zh": "训练输入 H×W×C"},
    "column.runs": {"en": "seeds", "zh": "随机种子数"},
    "column.test_accuracy": {"en": "test accuracy", "zh": "测试准确率"},
    "column.deviation": {"en": "deviation", "zh": "标准差"},
    "column.interval": {"en": "95 % interval", "zh": "95 % 区间"},
    "column.epochs": {"en": "epochs", "zh": "轮数"},
    "column.epoch": {"en": "epoch", "zh": "轮"},
    "column.training": {"en": "training", "zh": "训练时间"},
    "column.validation": {"en": "validation accuracy", "zh": "验证准确率"},
    "column.source": {"en": "source", "zh": "出处"},
    "column.published": {"en": "published", "zh": "发表值"},
    "column.computed": {"en": "counted", "zh": "实算值"},
    "column.verdict": {"en": "verdict", "zh": "结论"},
    "column.cause": {"en": "cause", "zh": "原因"},
    "column.severity": {"en": "severity", "zh": "级别"},
    "column.difference": {"en": "difference", "zh": "差值"},
    "column.threads": {"en": "threads", "zh": "线程数"},
    "column.dtype": {"en": "dtype", "zh": "数据类型"},
    "column.batch": {"en": "batch", "zh": "批大小"},
    "column.iqr": {"en": "IQR", "zh": "四分位距"},
    "column.gpu_alone": {"en": "GPU alone", "zh": "仅 GPU"},
    "column.peak_allocated": {"en": "peak allocated", "zh": "显存峰值"},
    "column.peak_resident": {"en": "peak resident", "zh": "常驻内存峰值"},
    "column.peak_growth": {"en": "of the call", "zh": "本次调用增量"},
    "column.samples": {"en": "samples", "zh": "采样次数"},
    "column.least": {"en": "least activations", "zh": "激活下限"},
    "column.eager": {"en": "in eager torch", "zh": "torch 即时执行"},
    "column.optimizer": {"en": "optimizer", "zh": "优化器"},
    "column.eager_peak_at": {"en": "eager peak at", "zh": "即时执行峰值位置"},
    "column.gradients": {"en": "gradients", "zh": "梯度"},
    "column.optimizer_state": {"en": "optimizer state", "zh": "优化器状态"},
    "column.forward_peak": {"en": "forward peak", "zh": "前向峰值"},
    "column.backward_peak": {"en": "backward peak", "zh": "反向峰值"},
    "column.step_peak": {"en": "update peak", "zh": "参数更新峰值"},
    "column.peak_overall": {"en": "peak", "zh": "峰值"},
    "column.rule": {"en": "rule", "zh": "规则"},
    "column.reason": {"en": "reason", "zh": "理由"},
    "column.remedy": {"en": "instead", "zh": "改法"},
    # Words out of records
    "term.direct": {"en": "direct", "zh": "直接"},
    "term.naive": {"en": "naive", "zh": "朴素"},
    "term.reduced": {"en": "reduced", "zh": "先降维"},
    "term.sum": {"en": "sum", "zh": "合计"},
    "term.total": {"en": "total", "zh": "合计"},
    "term.ratio": {"en": "ratio", "zh": "比值"},
    "term.conv": {"en": "conv", "zh": "卷积"},
    "term.linear": {"en": "linear", "zh": "全连接"},
    "term.matmul": {"en": "matmul", "zh": "矩阵乘"},
    "term.norm": {"en": "norm", "zh": "归一化"},
    "term.activation": {"en": "activation", "zh": "激活函数"},
    "term.pooling": {"en": "pooling", "zh": "池化"},
    "term.elementwise": {"en": "elementwise", "zh": "逐元素"},
    "term.reduction": {"en": "reduction", "zh": "归约"},
    "term.bias": {"en": "bias", "zh": "偏置"},
    "term.movement": {"en": "movement", "zh": "搬移"},
    "term.input": {"en": "input", "zh": "输入"},
    "term.training": {"en": "training", "zh": "训练"},
    "term.evaluation": {"en": "evaluation", "zh": "推理"},
    "term.warning": {"en": "warning", "zh": "警告"},
    "term.note": {"en": "note", "zh": "提示"},
    "term.not counted": {"en": "not counted", "zh": "未计入"},
    "term.holds": {"en": "holds", "zh": "成立"},
    "term.rounds to it": {"en": "rounds to it", "zh": "四舍五入后相符"},
    "term.off": {"en": "off", "zh": "有偏差"},
    "term.false": {"en": "false", "zh": "不成立"},
    # The worked example
    "example.branch": {
        "en": "The 5×5 branch, {input}",
        "zh": "5×5 支路，{input}",
    },
    "example.module": {
        "en": "The whole Inception module, {input}",
        "zh": "整个 Inception 模块，{input}",
    },
    "example.intro": {
        "en": "One multiply-add per output element and weight of its window: "
        "(output H×W×C) × (window × input channels).",
        "zh": "每个输出元素与其窗口内的每个权重各做一次乘加：（输出 H×W×C）×（窗口 × 输入通道）。",
    },
    "example.branch_says": {
        "en": "Applied directly to the input, the 5×5 needs {before} MACs. With a 1×1 before it, "
        "both together need {after}, {ratio} times fewer.",
        "zh": "5×5 直接作用于输入，需要 {before}次乘加；先用 1×1 降维，只需 {after}次，"
        "是原来的 1/{ratio}。",
    },
    "example.module_says": {
        "en": "All four branches together go from {before} MACs to {after}, {ratio} times fewer.",
        "zh": "四条支路合计，从 {before}次乘加降到 {after}次，是原来的 1/{ratio}。",
    },
    "example.fewer": {
        "en": "{before} / {after} = {ratio} times fewer MACs",
        "zh": "{before} / {after} = {ratio} 倍",
    },
    # Figures
    "figure.scatter": {
        "en": "MACs and parameters of one pass",
        "zh": "一次前向的 MACs 与参数",
    },
    "figure.front": {
        "en": "; the line joins the models that no other beats in both",
        "zh": "；连线上的网络，没有别的网络在两方面都更省",
    },
    "figure.waterfall": {
        "en": "From the naive module to the reduced one: what each change adds or saves, in MACs",
        "zh": "从朴素模块到先降维的模块：每处改动增加或节省的 MACs",
    },
    "figure.branches": {
        "en": "MACs inside one Inception module by branch and by window",
        "zh": "一个 Inception 模块内各支路的 MACs（按窗口分色）",
    },
    "figure.macs": {
        "en": "{model}: MACs by block and by kind of layer",
        "zh": "{model}：各模块的 MACs（按层的类别分色）",
    },
    "figure.params": {
        "en": "{model}: parameters by block and by kind of layer",
        "zh": "{model}：各模块的参数（按层的类别分色）",
    },
    "figure.other": {
        "en": "{model}: the other counted operations by block and class, 1 FLOP each",
        "zh": "{model}：各模块的其他运算（按类别分色，每次 1 FLOP）",
    },
    "figure.memory": {
        "en": "{model}: bytes of activations alive at each node, inference",
        "zh": "{model}：推理时各节点处存活的激活字节",
    },
    "figure.diagram": {"en": "{model}: its modules", "zh": "{model}：模块图"},
    "figure.latency": {
        "en": "Measured latency against MACs, {setting}",
        "zh": "实测延迟与 MACs，{setting}",
    },
    "figure.roofline": {
        "en": "Roofline of {device}, {dtype}: what each model reached under the measured ceilings",
        "zh": "{device}（{dtype}）的屋顶线：各网络在实测上限之下达到的速度",
    },
    "figure.accuracy": {
        "en": "Measured test accuracy against MACs, {data}, with 95 % intervals",
        "zh": "{data}：实测测试准确率与 MACs（含 95 % 区间）",
    },
    "figure.better": {
        "en": "; the line joins those that no other beats in both",
        "zh": "；连线上的各项，没有别的能在两方面都更好",
    },
    "figure.curves_epoch": {
        "en": "Accuracy on the images held out, epoch by epoch, {data}",
        "zh": "{data}：各轮之后的验证准确率",
    },
    "figure.curves_minutes": {
        "en": "Accuracy on the images held out against minutes of training, {data}",
        "zh": "{data}：验证准确率与训练时间（分钟）",
    },
    "figure.curves_pflop": {
        "en": "Accuracy on the images held out against PFLOP spent on training, {data}",
        "zh": "{data}：验证准确率与训练运算量（PFLOP）",
    },
    "axis.macs": {
        "en": "MACs (multiply-adds of conv, linear, matmul)",
        "zh": "MACs（卷积、全连接、矩阵乘的乘加次数）",
    },
    "axis.params": {"en": "parameters read in this pass", "zh": "本次前向用到的参数个数"},
    "axis.params_of": {"en": "parameters", "zh": "参数个数"},
    "axis.other": {
        "en": "other counted operations, 1 FLOP each (multiply-adds not included)",
        "zh": "其他运算次数，每次 1 FLOP（不含乘加）",
    },
    "axis.live": {
        "en": "alive, {unit} (inference, float32)",
        "zh": "存活内存，{unit}（推理，float32）",
    },
    "axis.live_any": {"en": "alive, {unit} (inference)", "zh": "存活内存，{unit}（推理）"},
    "axis.node": {"en": "node, in order of execution", "zh": "节点（按执行次序）"},
    "axis.latency": {"en": "median latency, ms", "zh": "延迟中位数（毫秒）"},
    "axis.accuracy": {"en": "test accuracy, %", "zh": "测试准确率（%）"},
    "axis.validation": {"en": "validation accuracy, %", "zh": "验证准确率（%）"},
    "axis.epoch": {"en": "epoch", "zh": "轮"},
    "axis.minutes": {"en": "minutes of training", "zh": "训练时间（分钟）"},
    "axis.pflop": {"en": "PFLOP spent", "zh": "训练运算量（PFLOP）"},
    "axis.loss": {"en": "loss", "zh": "损失"},
    "axis.epoch_accuracy": {"en": "accuracy, %", "zh": "准确率（%）"},
    "axis.train_error": {"en": "training error, %", "zh": "训练错误率（%）"},
    "axis.validation_error": {"en": "validation error, %", "zh": "验证错误率（%）"},
    "curve.training": {"en": "training", "zh": "训练"},
    "curve.validation": {"en": "validation", "zh": "验证"},
    "axis.intensity": {
        "en": "FLOPs per byte moved (FLOPs: 2 per MAC, 1 per other operation)",
        "zh": "每读写一字节的 FLOPs（每次乘加 2，其他运算 1）",
    },
    "axis.speed": {
        "en": "FLOP/s (2 per MAC, 1 per other operation)",
        "zh": "FLOP/s（每次乘加 2，其他运算 1）",
    },
    "legend.work": {"en": "layers", "zh": "层的类别"},
    "legend.class": {"en": "class of work", "zh": "运算类别"},
    "legend.model": {"en": "model", "zh": "网络"},
    "bar.start": {"en": "naive module", "zh": "朴素模块"},
    "bar.end": {"en": "reduced module", "zh": "先降维的模块"},
    "bar.total": {"en": "total", "zh": "总量"},
    "bar.more": {"en": "added", "zh": "增加"},
    "bar.less": {"en": "saved", "zh": "节省"},
    # Notes
    "note.baseline": {"en": "Ratios are to {baseline}.", "zh": "比值以 {baseline} 为 1。"},
    "note.macs": {
        "en": "MACs: multiply-adds of convolutions, linear layers and matrix products.",
        "zh": "MACs：卷积、全连接与矩阵乘的乘加次数。",
    },
    "note.flops": {
        "en": "FLOPs: 2 per MAC and 1 per other counted operation.",
        "zh": "FLOPs：每次乘加记 2，其他计入的运算各记 1。",
    },
    "note.other_operations": {
        "en": "The other counted operations are bias, normalisation, activation, pooling and "
        "element-wise.",
        "zh": "其他计入的运算：偏置、归一化、激活、池化与逐元素。",
    },
    "note.call": {"en": "{op} ({calls}× at {where})", "zh": "{op}（{calls} 次，位于 {where}）"},
    "note.calls": {"en": "{op} ({calls}×)", "zh": "{op}（{calls} 次）"},
    "note.mode": {
        "en": "Batch {batch}, {mode} mode; params are those that this pass reads.",
        "zh": "批大小 {batch}，{mode}模式；参数指本次前向用到的参数。",
    },
    "note.outside": {
        "en": "{model}: {outside} more parameters do not run in this pass ({all} in all).",
        "zh": "{model}：另有 {outside} 个参数不参与本次前向（共 {all} 个）。",
    },
    "note.not_counted": {
        "en": "Not counted in {model}: {ops}. The totals are lower bounds.",
        "zh": "{model} 中未计入：{ops}；其总数是下界。",
    },
    "note.memory": {
        "en": "Alive: outputs that a later node still reads while this node runs; views take no "
        "memory. Kept for backward: what autograd saves in a training step. Workspaces, "
        "fragmentation, gradients and optimizer state are not included.",
        "zh": "存活：某节点运行时仍有后续节点要读的输出；视图不占内存。反向所需：训练一步中 "
        "autograd 保存的量。不含工作区、碎片、梯度与优化器状态。",
    },
    "note.free": {
        "en": "An operation is counted, free (with the reason), or not counted and listed. An "
        "unknown value is left empty, never 0.",
        "zh": "每个运算要么计入，要么免费（说明原因），要么未计入并列出；未知留空，绝不写 0。",
    },
    "note.rounding": {
        "en": "Counts are exact integers; tables round. CSV and JSON carry every digit.",
        "zh": "计数为精确整数，表格中取整显示；CSV 与 JSON 保留全部数字。",
    },
    "note.other_tools": {
        "en": "What other counters report for the same networks, explained step by step: "
        "archcalc reconcile MODEL.",
        "zh": "其他计数工具给出的数字及逐步解释：archcalc reconcile MODEL。",
    },
    "note.latency": {
        "en": "Measured with archcalc bench on {environment}.",
        "zh": "由 archcalc bench 实测：{environment}。",
    },
    "note.predicted": {
        "en": "Predicted for {machine}, {setting}, from {calls} timed calls in {networks} designed "
        "networks: the median of a forward pass, and the interval from 5 to 95 %.",
        "zh": "预测针对 {machine}，{setting}，依据 {networks} 个设计网络中 {calls} 次实测调用："
        "前向一次的中位数，以及 5 % 到 95 % 的区间。",
    },
    "note.predicted_lacks": {
        "en": "{model}: the interval is wider, because the calibration lacks {lacks}.",
        "zh": "{model}：校准中缺少 {lacks}，因此区间更宽。",
    },
    "note.lacks_operator": {
        "en": "{op} ({calls}×, {share} of the time)",
        "zh": "{op}（{calls} 次，占时间 {share}）",
    },
    "note.lacks_size": {
        "en": "{op} of such sizes ({calls}×, {share} of the time)",
        "zh": "这种尺寸的 {op}（{calls} 次，占时间 {share}）",
    },
    "note.busy_calibration": {
        "en": "Other processes used {cores:.1f} cores during the calibration; calibrate again on a "
        "quiet machine.",
        "zh": "校准期间其他进程占用了 {cores:.1f} 个核；请在空闲的机器上重新校准。",
    },
    "note.faster": {
        "en": "{model} beside {baseline}, {setting}: {told}.",
        "zh": "{model} 对比 {baseline}，{setting}：{told}。",
    },
    "note.accuracy": {
        "en": "Measured with archcalc train. The best epoch is selected on images held out of the "
        "training set; the test images are used once. Intervals are 95 %: for several seeds, that "
        "of the mean by Student's t; for a single run, Wilson's score interval, which reflects "
        "only the number of test images. MACs are for the input and classes of the training.",
        "zh": "由 archcalc train 实测。最佳轮次由训练集中留出的图像选定，测试集只用一次。"
        "区间为 95 %：多个种子时按 Student t 取均值的区间，单次训练时按 Wilson 得分，"
        "只反映测试图像的多少。MACs 按训练时的输入与类别数计算。",
    },
    "note.trained_on": {
        "en": "{runs} on {environment}.",
        "zh": "{runs} 的训练环境：{environment}。",
    },
    "note.winner": {
        "en": "{data}: {label} is the most accurate; its interval lies above all others'.",
        "zh": "{data}：{label} 最准确，其区间高于其他各项。",
    },
    "note.overlap": {
        "en": "{data}: the intervals overlap, so no winner is named.",
        "zh": "{data}：区间相互重叠，不分高下。",
    },
    "note.data_apart": {
        "en": "Accuracies on different data sets are not compared.",
        "zh": "不同数据集上的准确率不作比较。",
    },
    "note.untrained": {
        "en": "No finished run of {models}.",
        "zh": "{models} 没有完成的训练。",
    },
    "note.claims": {
        "en": "Holds: equal. Rounds to it: within half a unit of the last printed digit. Off: "
        "farther, by at most a tenth. False: farther still. Inference: fits the figures, but no "
        "publication states it.",
        "zh": "成立：数字完全相同。四舍五入后相符：误差在末位的一半以内。有偏差：超出，但不过"
        "十分之一。不成立：相差更多。inference（推断）：原文未写明，但与数字相符。",
    },
    "note.needs_training": {
        "en": "{untold} more figures about these models, such as error rates, cannot be checked by "
        "counting.",
        "zh": "关于这些网络另有 {untold} 个数字（如错误率），靠计数无法核对。",
    },
    "note.quiet": {"en": "Nothing found in {models}.", "zh": "{models} 没有发现问题。"},
    "note.cite": {
        "en": "These networks are defined after the following papers; cite them for the "
        "architectures, and archcalc for the counts.",
        "zh": "各网络按下列论文定义；引用结构请引论文，引用计数请引 archcalc。",
    },
    "note.own": {
        "en": "{model}: the user's own model.",
        "zh": "{model}：用户自己的模型。",
    },
    "note.made": {
        "en": "Made by archcalc {version}.",
        "zh": "由 archcalc {version} 生成。",
    },
    # The page
    "page.theme": {"en": "Dark or light", "zh": "深色 / 浅色"},
    "page.filter": {"en": "Filter layers of {model}", "zh": "筛选 {model} 的层"},
    "page.filter_hint": {"en": "name, operator or shape", "zh": "名称、算子或形状"},
    "page.every_kind": {"en": "every kind", "zh": "所有类别"},
    "page.rows": {"en": "{{shown}} of {{all}} layers", "zh": "{{all}} 层中的 {{shown}} 层"},
    "page.clear": {"en": "Show all", "zh": "全部显示"},
    "page.tree": {"en": "Modules", "zh": "模块树"},
    "page.table": {"en": "Layer table", "zh": "逐层表"},
    "page.open_all": {"en": "Open all", "zh": "全部展开"},
    "page.close_all": {"en": "Close all", "zh": "全部收起"},
    "page.skip": {"en": "Skip to the report", "zh": "跳到正文"},
    "page.contents": {"en": "Contents", "zh": "目录"},
    "page.no_script": {
        "en": "Charts, sorting and filters need JavaScript. The tables below are complete without "
        "it.",
        "zh": "图表、排序与筛选需要 JavaScript；下面的表格无需它也完整。",
    },
    "page.hint": {
        "en": "Point at a bar to find the same block in the other charts; click it to list its "
        "layers.",
        "zh": "指向条形可在其他图中找到同一模块，点击则列出其各层。",
    },
    "page.save_svg": {"en": "Save as SVG", "zh": "存为 SVG"},
    "page.save_png": {"en": "Save as PNG", "zh": "存为 PNG"},
    "page.top": {"en": "Back to top", "zh": "回到顶部"},
}
"""By key and language. A test holds that every key is used, and has both languages with the same
values in them."""
