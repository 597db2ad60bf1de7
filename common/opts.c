#include "common/opts.h"

#include "common/error.h"
#include "common/spec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof(a)[0])

/* Integers above this are not exact as doubles, in JSON for one. */
#define INT_EXACT_MAX 9007199254740992.0 /* 2^53 */
#define REAL_MAX      1e300
#define COUNT_MAX     1e9

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

#define CASES(...) ((const struct opt_case[]){__VA_ARGS__, {.needs = NULL}})

#define FILES  "data.name=fashion-mnist|mnist|cifar10|cifar100"
#define IMAGES FILES "|blobs"
#define BLOBS  "data.name=blobs"

#define VGGS          "vgg11|vgg13|vgg16|vgg19"
#define CIFAR_RESNETS "resnet20|resnet32|resnet44|resnet56|resnet110"
#define BIG_RESNETS   "resnet18|resnet34|resnet50"
#define RESNETS       "model.name=" BIG_RESNETS "|" CIFAR_RESNETS

/* A plane around a state has it in the middle. */
#define AROUND    CASES({"probe.directions=random|filter", "-1.0"})
#define AROUND_TO CASES({"probe.directions=random|filter", "1.0"})

#define SEED(name_, help_)                                                               \
    {                                                                                    \
        .name = name_, .type = OPT_INT, .max = INT_EXACT_MAX, .help = help_              \
    }

/* Of a state that is made from others. */
#define POINT "derive.kind=point"
#define DRAWN "derive.kind=reset|noise|permute"

/* Sorted by name, then kind. JOB_TRAIN is 0, so runs' rows need not say so. */
/* clang-format off */
static const struct opt TABLE[] = {
    { "a.run", OPT_STRING, JOB_PROBE,
      .help = "key of the run that has the state at alpha 0" },
    { "a.run", OPT_STRING, JOB_DERIVE,
      .help = "key of what has the state to begin with; of a point, that at alpha 0" },
    { "a.state", OPT_STATE, JOB_PROBE, .help = "the state at alpha 0" },
    { "a.state", OPT_STATE, JOB_DERIVE,
      .help = "the state to begin with; of a point, that at alpha 0" },
    { "b.run", OPT_STRING, JOB_PROBE,
      .help = "key of the run that has the state at alpha 1" },
    { "b.run", OPT_STRING, JOB_DERIVE, .fallback = "\"\"", .needs = POINT,
      .help = "key of what has the state at alpha 1" },
    { "b.state", OPT_STATE, JOB_PROBE, .help = "the state at alpha 1" },
    { "b.state", OPT_STATE, JOB_DERIVE, .fallback = "\"final\"", .needs = POINT,
      .help = "the state at alpha 1" },
    { "c.run", OPT_STRING, JOB_PROBE, .fallback = "\"\"",
      .needs = "probe.kind=plane", .help = "key of the run that has the state at (0,1)" },
    { "c.state", OPT_STATE, JOB_PROBE, .fallback = "\"final\"",
      .needs = "probe.kind=plane", .help = "the state at (0,1)" },
    { "data.augment", OPT_STRINGS, .fallback = "[]",
      .names = NAMES("flip", "crop4"), .needs = IMAGES,
      .help = "random changes to training images, in this order" },
    { "data.blur", OPT_INT, .fallback = "1", .min = 1, .max = 1024, .needs = IMAGES,
      .help = "factor by which every image is scaled down and up again" },
    { "data.classes", OPT_INTS, .fallback = "[]", .max = 99, .ascending = true,
      .needs = IMAGES,
      .help = "classes kept, numbered anew in this order; none: all of them" },
    { "data.dir", OPT_STRING, .fallback = "\"\"", .needs = FILES,
      .help = "folder of the data set's files; empty: the system's" },
    { "data.labels.noise", OPT_REAL, .fallback = "0.0", .max = 1,
      .help = "share of training labels that become another class" },
    { "data.labels.random", OPT_REAL, .fallback = "0.0", .max = 1,
      .help = "share of training labels drawn anew at random" },
    { "data.name", OPT_NAME, .fallback = "\"fashion-mnist\"",
      .names = NAMES("fashion-mnist", "mnist", "cifar10", "cifar100", "spiral",
                     "blobs"),
      .help = "the data set" },
    { "data.pad", OPT_INT, .fallback = "0", .max = 64, .needs = IMAGES,
      .unit = "pixels",
      .help = "zero pixels added on each side of every image, before all else" },
    { "data.prototypes", OPT_INT, .fallback = "10", .min = 2, .max = 100, .needs = BLOBS,
      .help = "classes of blobs, each the noise around a prototype" },
    { "data.replicas", OPT_INT, .fallback = "1", .min = 1, .max = 1000,
      .unit = "copies",
      .help = "copies of every training example, spoiled independently" },
    { "data.shape", OPT_INTS, .fallback = "[3,32,32]", .min = 1, .max = 1024,
      .needs = BLOBS, .help = "channels, height and width of blobs" },
    { "data.shuffle", OPT_INT, .fallback = "0", .max = 1024, .needs = IMAGES,
      .unit = "pixels",
      .help = "side of the blocks that are permuted in every image; 0: none" },
    { "data.sizes", OPT_INTS, .fallback = "[5000,1000]", .min = 2, .max = COUNT_MAX,
      .needs = BLOBS, .unit = "examples",
      .help = "training and test examples of blobs" },
    { "data.spread", OPT_REAL, .fallback = "1.0", .max = 1000, .needs = BLOBS,
      .help = "standard deviation of the noise over that of the prototypes" },
    { "data.train", OPT_SIZE, .fallback = "\"all\"", .max = COUNT_MAX,
      .unit = "examples", .help = "training examples used, a fixed subset" },
    { "data.zero_out", OPT_REAL, .fallback = "0.0", .max = 1, .below_max = true,
      .needs = IMAGES, .help = "share of the values of training images set to 0" },
    { "derive.alpha", OPT_REAL, JOB_DERIVE, .fallback = "0.0", .min = -REAL_MAX,
      .max = REAL_MAX, .needs = "derive.at=value", .help = "the alpha, if at says so" },
    { "derive.at", OPT_NAME, JOB_DERIVE, .fallback = "\"alpha_star\"",
      .names = NAMES("alpha_star", "alpha_max", "bump_from", "bump_to", "value"),
      .needs = POINT,
      .help = "which point of the line: a metric of the curve, or value" },
    { "derive.bn", OPT_NAME, JOB_DERIVE, .fallback = "\"interp\"",
      .names = NAMES("none", "interp", "recompute", "end", "start", "batch"),
      .needs = POINT, .help = "of the probe's curves, the one that is read" },
    { "derive.group", OPT_STRING, JOB_DERIVE, .fallback = "\"\"", .needs = POINT,
      .help = "the group that moves, the rest is as at alpha 1; empty: all" },
    { "derive.groups", OPT_STRINGS, JOB_DERIVE, .fallback = "[]",
      .needs = "derive.kind=reset|noise", .help = "groups that change; none: all" },
    { "derive.kind", OPT_NAME, JOB_DERIVE,
      .names = NAMES("point", "mix", "reset", "noise", "permute"),
      .help = "a point of a line; groups of several states; groups drawn anew; noise"
              " added; hidden units in another order" },
    { "derive.noise", OPT_REAL, JOB_DERIVE, .fallback = "0.0", .max = REAL_MAX,
      .needs = "derive.kind=noise",
      .help = "length of the noise, as a share of the length of what it is added to" },
    { "derive.only", OPT_STRINGS, JOB_DERIVE, .fallback = "[]",
      .names = NAMES("weights", "norms", "statistics"), .needs = "derive.kind=reset",
      .help = "of the groups only these: weights and biases of layers, those of norms,"
              " running statistics; none: all" },
    { "derive.probe", OPT_STRING, JOB_DERIVE, .fallback = "\"\"", .needs = POINT,
      .help = "key of the probe whose curve is read; empty: none" },
    { "derive.seed", OPT_INT, JOB_DERIVE, .fallback = "0", .max = INT_EXACT_MAX,
      .needs = DRAWN, .help = "of what is drawn" },
    { "derive.sources", OPT_STRINGS, JOB_DERIVE, .fallback = "[]",
      .needs = "derive.kind=mix",
      .help = "groups from other states, \"GROUP=KEY:STATE\", in network order" },
    { "derive.split", OPT_NAME, JOB_DERIVE, .fallback = "\"test\"",
      .names = NAMES("test", "train"), .needs = POINT,
      .help = "of the probe's curves, the one that is read" },
    { "derive.where", OPT_STRINGS, JOB_DERIVE, .fallback = "[]", .needs = POINT,
      .help = "what the curve's metrics must be, or there is no such state" },
    { "init.from", OPT_STRING, .fallback = "\"\"",
      .help = "state to start from: \"run:NAME:STATE\", \"derive:NAME\", or \"file:HASH\""
              " of a file that 'coord artifact put' took; empty: drawn" },
    { "init.mode", OPT_NAME, .fallback = "\"fan_in\"",
      .names = NAMES("fan_in", "fan_out"),
      .needs = "init.scheme=kaiming_normal|kaiming_uniform",
      .help = "whose count sets the variance" },
    { "init.noise", OPT_REAL, .fallback = "0.0", .max = REAL_MAX,
      .help = "length of the noise added to the initial parameters, as a share of"
              " theirs" },
    { "init.partial", OPT_BOOL, .fallback = "false",
      .help = "take what fits from the file of init.from, and draw the rest" },
    { "init.permute", OPT_BOOL, .fallback = "false",
      .help = "hidden units of the initial state in another order, before noise is"
              " added" },
    { "init.reset", OPT_STRINGS, .fallback = "[]",
      .help = "groups drawn anew where init.from gives the rest, in network order" },
    { "init.scale", OPT_REAL, .fallback = "1.0", .max = REAL_MAX, .above_min = true,
      .help = "factor on the initial parameters" },
    { "init.scheme", OPT_NAME, .fallback = "\"default\"",
      .names = NAMES("default", "kaiming_normal", "kaiming_uniform",
                     "xavier_normal", "xavier_uniform", "orthogonal", "sparse"),
      .help = "distribution of the initial weights; default is PyTorch's" },
    { "init.sparsity", OPT_REAL, .fallback = "0.1", .max = 1, .below_max = true,
      .needs = "init.scheme=sparse",
      .help = "share of zeros in every column of the weights" },
    { "init.std", OPT_REAL, .fallback = "0.01", .max = REAL_MAX, .above_min = true,
      .needs = "init.scheme=sparse",
      .help = "standard deviation of the weights that are not zero" },
    { "init.zero_gamma", OPT_BOOL, .fallback = "false", .needs = RESNETS,
      .help = "the last norm of every residual block starts at 0" },
    { "model.activation", OPT_NAME, .fallback = "\"relu\"",
      .names = NAMES("relu", "tanh", "sigmoid", "gelu"), .help = "the nonlinearity" },
    { "model.dropout", OPT_REAL, .fallback = "0.0", .max = 1, .below_max = true,
      .help = "share of units dropped in training: of hidden dense layers; of what the"
              " last layer of a vgg or resnet reads" },
    { "model.name", OPT_NAME, .fallback = "\"lenet5\"",
      .names = NAMES("mlp", "lenet-300-100", "lenet5", "vgg11", "vgg13", "vgg16",
                     "vgg19", "resnet18", "resnet20", "resnet32", "resnet34",
                     "resnet44", "resnet50", "resnet56", "resnet110"),
      .help = "the network" },
    { "model.norm", OPT_NAME, .fallback = "\"none\"",
      .cases = CASES({ RESNETS, "\"batch\"" }),
      .names = NAMES("batch", "group", "layer", "none", "fixup"),
      .help = "normalisation after every hidden layer; resnets have batch if nothing"
              " is said. fixup is for resnets" },
    { "model.norm_groups", OPT_INT, .fallback = "8", .min = 1, .max = 65536,
      .needs = "model.norm=group", .help = "groups of channels of a group norm" },
    { "model.residual", OPT_BOOL, .fallback = "true", .needs = RESNETS,
      .help = "shortcut connections" },
    { "model.shortcut", OPT_NAME, .fallback = "\"conv\"", .names = NAMES("conv", "pad"),
      .needs = RESNETS,
      .help = "where shapes change: 1x1 convolution, or zero channels (option A)" },
    { "model.stem", OPT_NAME, .fallback = "\"cifar\"",
      .names = NAMES("cifar", "imagenet"), .needs = "model.name=" BIG_RESNETS,
      .help = "first layers: 3x3, or 7x7 of stride 2 and a max pool" },
    { "model.width", OPT_REAL, .fallback = "1.0",
      .cases = CASES({ "model.name=" CIFAR_RESNETS, "16.0" }), .max = 4096,
      .above_min = true, .needs = "model.name=" VGGS "|" BIG_RESNETS "|" CIFAR_RESNETS,
      .help = "factor on the standard channels; resnet20, 32, 44, 56 and 110: channels"
              " of the first stage, 16 if nothing is said" },
    { "model.widths", OPT_INTS, .fallback = "[300,100]", .min = 1, .max = 65536,
      .needs = "model.name=mlp", .unit = "units",
      .help = "hidden layers of an mlp" },
    { "numerics", OPT_INT, .min = 1, .max = 1000000,
      .help = "version of the arithmetic; raised when results change" },
    { "numerics", OPT_INT, JOB_PROBE, .min = 1, .max = 1000000,
      .help = "version of the arithmetic; raised when results change" },
    { "numerics", OPT_INT, JOB_DERIVE, .min = 1, .max = 1000000,
      .help = "version of the arithmetic; raised when results change" },
    { "optimizer.alpha", OPT_REAL, .fallback = "0.99", .max = 1, .below_max = true,
      .needs = "optimizer.name=rmsprop",
      .help = "decay of RMSprop's mean of squared gradients" },
    { "optimizer.batch", OPT_INT, .fallback = "128", .min = 1, .max = 65536,
      .unit = "examples", .help = "examples of one step" },
    { "optimizer.beta1", OPT_REAL, .fallback = "0.9", .max = 1, .below_max = true,
      .needs = "optimizer.name=adam|adamw",
      .help = "decay of Adam's mean of gradients" },
    { "optimizer.beta2", OPT_REAL, .fallback = "0.999", .max = 1, .below_max = true,
      .needs = "optimizer.name=adam|adamw",
      .help = "decay of Adam's mean of squared gradients" },
    { "optimizer.clip", OPT_REAL, .fallback = "0.0", .max = REAL_MAX,
      .help = "largest norm of the whole gradient; 0: any" },
    { "optimizer.decay_on", OPT_NAME, .fallback = "\"all\"",
      .names = NAMES("all", "weights"),
      .help = "what decays; weights: neither biases nor norms" },
    { "optimizer.eps", OPT_REAL, .fallback = "1e-08", .max = REAL_MAX,
      .needs = "optimizer.name=adam|adamw|rmsprop",
      .help = "added to the root of the mean of squared gradients" },
    { "optimizer.freeze", OPT_STRINGS, .fallback = "[]",
      .help = "groups that are not trained, in network order" },
    { "optimizer.group_decay", OPT_PAIRS, .fallback = "[]", .max = REAL_MAX,
      .help = "weight decay of single groups, whatever decay_on says" },
    { "optimizer.group_lr", OPT_PAIRS, .fallback = "[]", .max = REAL_MAX,
      .above_min = true,
      .help = "factor on the learning rate of single groups" },
    { "optimizer.lr", OPT_REAL, .fallback = "0.1", .max = REAL_MAX,
      .help = "learning rate; one default for all optimizers" },
    { "optimizer.momentum", OPT_REAL, .fallback = "0.0", .max = 1, .below_max = true,
      .needs = "optimizer.name=sgd|rmsprop", .help = "momentum" },
    { "optimizer.name", OPT_NAME, .fallback = "\"sgd\"",
      .names = NAMES("sgd", "adam", "adamw", "rmsprop"),
      .help = "the optimizer, as PyTorch has it" },
    { "optimizer.nesterov", OPT_BOOL, .fallback = "false",
      .needs = "optimizer.name=sgd", .help = "Nesterov's momentum" },
    { "optimizer.weight_decay", OPT_REAL, .fallback = "0.0", .max = REAL_MAX,
      .help = "L2 penalty; adamw: decoupled from the gradient" },
    { "probe.adapt.most", OPT_INT, JOB_PROBE, .fallback = "0", .max = 10000,
      .needs = "probe.kind=path|layers",
      .help = "points that a curve may ask for where a line would miss it; 0: none" },
    { "probe.adapt.tolerance", OPT_REAL, JOB_PROBE, .fallback = "0.05", .max = REAL_MAX,
      .above_min = true, .unit = "nats", .needs = "probe.kind=path|layers",
      .help = "what a line may miss a curve by, as a share of losses above 1" },
    { "probe.alphas", OPT_ALPHAS, JOB_PROBE, .fallback = "50", .min = 2, .max = 65536,
      .help = "points of the path: how many, or which" },
    { "probe.bn", OPT_STRINGS, JOB_PROBE, .fallback = "[\"interp\",\"recompute\"]",
      .names = NAMES("interp", "recompute", "end", "start", "batch"),
      .help = "running statistics of norm layers on the path" },
    { "probe.classes", OPT_BOOL, JOB_PROBE, .fallback = "false",
      .needs = "probe.kind=path|layers",
      .help = "loss and accuracy of every class, at every point" },
    { "probe.directions", OPT_NAME, JOB_PROBE, .fallback = "\"states\"",
      .names = NAMES("states", "random", "filter"), .needs = "probe.kind=plane",
      .help = "of a plane: through three states; or around one, random directions as"
              " long as the state, or filter by filter" },
    { "probe.examples", OPT_INT, JOB_PROBE, .fallback = "0", .max = 1000000,
      .unit = "examples", .needs = "probe.kind=path|layers",
      .help = "the first of each split, whose losses are kept at every point" },
    { "probe.from", OPT_REAL, JOB_PROBE, .fallback = "0.0",
      .min = -REAL_MAX, .max = REAL_MAX, .help = "first alpha of a count" },
    { "probe.groups", OPT_STRINGS, JOB_PROBE, .fallback = "[]",
      .needs = "probe.kind=layers|plane", .help = "groups varied, one curve each" },
    { "probe.kind", OPT_NAME, JOB_PROBE, .names = NAMES("path", "layers", "plane"),
      .help = "what varies: everything at once, or one group at a time" },
    { "probe.part", OPT_INTS, JOB_PROBE, .fallback = "[]", .max = COUNT_MAX,
      .needs = "probe.kind=path|layers",
      .help = "of a probe that is split: first and last + 1 of its groups, alphas, train"
              " and test examples; set by split" },
    { "probe.refine", OPT_NEAR, JOB_PROBE, .fallback = "[]", .min = 1, .max = 10000,
      .needs = "probe.kind=path|layers",
      .help = "points more near some: [near, how many, how far; 0: a step of the grid]" },
    { "probe.seed", OPT_INT, JOB_PROBE, .fallback = "0", .max = INT_EXACT_MAX,
      .needs = "probe.directions=random|filter", .help = "of the random directions" },
    { "probe.splits.bn", OPT_SIZE, JOB_PROBE, .fallback = "2000",
      .max = COUNT_MAX, .unit = "examples",
      .help = "training examples from which running statistics are recomputed" },
    { "probe.splits.test", OPT_SIZE, JOB_PROBE, .fallback = "\"all\"",
      .max = COUNT_MAX, .unit = "examples", .help = "test examples evaluated" },
    { "probe.splits.train", OPT_SIZE, JOB_PROBE, .fallback = "5000",
      .max = COUNT_MAX, .unit = "examples",
      .help = "training examples evaluated, a fixed subset" },
    { "probe.start", OPT_NAME, JOB_PROBE, .fallback = "\"state\"",
      .names = NAMES("state", "zeros", "noise", "permuted", "seed"),
      .needs = "probe.kind=path|layers",
      .help = "in place of the state at alpha 0: zeros; noise as large as it; the other"
              " end with its hidden units permuted; the same draw with another seed" },
    { "probe.start_seed", OPT_INT, JOB_PROBE, .fallback = "0", .max = INT_EXACT_MAX,
      .needs = "probe.start=noise|permuted|seed",
      .help = "of the noise, the permutation, or the other draw" },
    { "probe.to", OPT_REAL, JOB_PROBE, .fallback = "1.0",
      .min = -REAL_MAX, .max = REAL_MAX, .help = "last alpha of a count" },
    { "probe.tolerance", OPT_REAL, JOB_PROBE, .fallback = "0.02", .max = REAL_MAX,
      .unit = "nats", .help = "rise up to which a path counts as monotone" },
    { "probe.trajectory", OPT_BOOL, JOB_PROBE, .fallback = "false",
      .needs = "probe.kind=path|layers",
      .help = "where the states that the run kept lie, seen from the line" },
    { "probe.xs", OPT_ALPHAS, JOB_PROBE, .fallback = "21", .min = 2, .max = 65536,
      .needs = "probe.kind=plane", .help = "points along x: how many, or which" },
    { "probe.xs_from", OPT_REAL, JOB_PROBE, .fallback = "-0.5", .cases = AROUND,
      .min = -REAL_MAX, .max = REAL_MAX, .needs = "probe.kind=plane",
      .help = "first x of a count" },
    { "probe.xs_to", OPT_REAL, JOB_PROBE, .fallback = "1.5", .cases = AROUND_TO,
      .min = -REAL_MAX, .max = REAL_MAX, .needs = "probe.kind=plane",
      .help = "last x of a count" },
    { "probe.ys", OPT_ALPHAS, JOB_PROBE, .fallback = "21", .min = 2, .max = 65536,
      .needs = "probe.kind=plane", .help = "points along y: how many, or which" },
    { "probe.ys_from", OPT_REAL, JOB_PROBE, .fallback = "-0.5", .cases = AROUND,
      .min = -REAL_MAX, .max = REAL_MAX, .needs = "probe.kind=plane",
      .help = "first y of a count" },
    { "probe.ys_to", OPT_REAL, JOB_PROBE, .fallback = "1.5", .cases = AROUND_TO,
      .min = -REAL_MAX, .max = REAL_MAX, .needs = "probe.kind=plane",
      .help = "last y of a count" },
    SEED("seed.augment", "stream of flips and crops"),
    SEED("seed.dropout", "stream of dropped units"),
    SEED("seed.init", "stream of initial weights"),
    SEED("seed.labels", "stream of random and noisy labels, and of zeros"),
    SEED("seed.order", "stream of the order of the training data"),
    { "train.epochs", OPT_INT, .fallback = "10", .max = 100000, .unit = "epochs",
      .help = "passes over the training data" },
    { "train.eval.test", OPT_SIZE, .fallback = "\"all\"", .max = COUNT_MAX,
      .unit = "examples", .help = "test examples evaluated after every epoch" },
    { "train.eval.train", OPT_SIZE, .fallback = "5000", .max = COUNT_MAX,
      .unit = "examples",
      .help = "training examples evaluated after every epoch, a fixed subset" },
    { "train.keep", OPT_STATES, .fallback = "[\"final\"]",
      .help = "states that are stored" },
    { "train.kernels", OPT_NAME, .fallback = "\"portable\"",
      .names = NAMES("portable", "native"),
      .help = "native: dense layers by OpenBLAS, whose bits depend on the CPU" },
    { "train.label_smoothing", OPT_REAL, .fallback = "0.0", .max = 1,
      .help = "share of the training target given to all classes alike" },
    { "train.numerics", OPT_NAME, .fallback = "\"fast\"",
      .names = NAMES("fast", "exact"),
      .help = "exact: every convolution as the sum of its products, no transforms" },
    { "train.schedule.at", OPT_INTS, .fallback = "[]", .min = 1, .max = 100000,
      .ascending = true, .needs = "train.schedule.name=step", .unit = "epochs",
      .help = "epochs at which the learning rate drops" },
    { "train.schedule.factor", OPT_REAL, .fallback = "0.1", .max = REAL_MAX,
      .needs = "train.schedule.name=step", .help = "factor of each drop" },
    { "train.schedule.name", OPT_NAME, .fallback = "\"constant\"",
      .names = NAMES("constant", "step", "cosine"),
      .help = "the learning rate over the epochs; cosine ends at 0" },
    { "train.schedule.warmup", OPT_INT, .fallback = "0", .max = 100000,
      .unit = "epochs",
      .help = "first epochs, of a rate that rises every step" },
    { "train.until.train_acc", OPT_REAL, .fallback = "0.0", .max = 1,
      .help = "accuracy on train.eval.train at which to stop; 0: never" },
};
/* clang-format on */

/* Tables of a grid: every part of a run's option name before a dot. */
static const char *const TABLES[] = {
    "data",  "data.labels", "init",           "model",       "optimizer", "seed",
    "train", "train.eval",  "train.schedule", "train.until", NULL,
};

const char *job_kind_name(enum job_kind kind)
{
    static const char *const NAMES_OF[] = {"train", "probe", "derive"};
    return NAMES_OF[kind];
}

const struct opt *opt_table(size_t *ret_count)
{
    *ret_count = ARRAY_LEN(TABLE);
    return TABLE;
}

bool opt_is_seed(const struct opt *opt)
{
    return strncmp(opt->name, "seed.", 5) == 0;
}

static int compare_opts(const void *a, const void *b)
{
    const struct opt *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : (int)x->kind - (int)y->kind;
}

static const struct opt *find_row(enum job_kind kind, const char *name)
{
    const struct opt key = {.name = name, .kind = kind};

    return bsearch(&key, TABLE, ARRAY_LEN(TABLE), sizeof key, compare_opts);
}

/* What a state that is made from others has in common with a run: its network, its data,
 * and how it would be drawn. */
static bool is_shared(const char *name)
{
    static const char *const PARTS[] = {
        "data.",
        "init.mode",
        "init.s",
        "init.zero_gamma",
        "model.",
        "seed.augment",
        "seed.labels",
        "train.eval.",
        "train.keep",
        "train.kernels",
        "train.label_smoothing",
        "train.numerics",
    };

    for (size_t i = 0; i < ARRAY_LEN(PARTS); i++)
        if (strncmp(name, PARTS[i], strlen(PARTS[i])) == 0)
            return true;
    return false;
}

const struct opt *opt_find(enum job_kind kind, const char *name)
{
    const struct opt *row = find_row(kind, name);

    return row || kind != JOB_DERIVE || !is_shared(name) ? row
                                                         : find_row(JOB_TRAIN, name);
}

const char *const *opt_tables(void)
{
    return TABLES;
}

/* ---- which options apply ---------------------------------------------------- */

/* Whether word is one of the words of "a|b|c". */
static bool one_of(const char *words, const char *word)
{
    size_t size = strlen(word);

    for (const char *at = words; at; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, word, size) == 0 && (at[size] == '|' || at[size] == '\0'))
            return true;
    }
    return false;
}

/* Whether "option=a|b|c" holds. */
static bool holds(const char *needs, const struct spec *spec)
{
    char name[64];
    const char *equals = strchr(needs, '=');

    assert(equals && (size_t)(equals - needs) < sizeof name);
    memcpy(name, needs, (size_t)(equals - needs));
    name[equals - needs] = '\0';
    return one_of(equals + 1, spec_string(spec, name));
}

const char *opt_fallback(const struct opt *opt, const struct spec *spec)
{
    for (const struct opt_case *c = opt->cases; c && c->needs; c++)
        if (holds(c->needs, spec))
            return c->fallback;
    return opt->fallback;
}

bool opt_applies(const struct opt *opt, const struct spec *spec)
{
    return !opt->needs || holds(opt->needs, spec);
}
