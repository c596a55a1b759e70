"""Helpers for tests of graphs: values and gradients of a layer as arrays, and derivatives by finite
differences.
"""

import numpy as np

from tf1 import new_session, put, tf


def finite_differences(function, arrays, epsilon=1e-6):
    """Derivatives of function(*arrays) -> float with respect to each array, by central differences
    in float64.
    """
    arrays = [np.array(array, np.float64) for array in arrays]
    derivatives = [np.zeros_like(array) for array in arrays]
    for array, derivative in zip(arrays, derivatives):
        for place in np.ndindex(array.shape):
            value = array[place]
            array[place] = value + epsilon
            above = function(*arrays)
            array[place] = value - epsilon
            derivative[place] = (above - function(*arrays)) / (2 * epsilon)
            array[place] = value
    return derivatives


def evaluate(build, *arrays):
    """Builds build(*tensors) in a new graph, and returns the values of its results."""
    with tf.Graph().as_default():
        fetches = build(*map(tf.constant, arrays))
        with new_session(1) as session:
            session.run(tf.global_variables_initializer())
            return session.run(fetches)


def layer(build, x, seed=0):
    """Runs build(x) with random variables, and differentiates sum(weights * output). Returns
    (output, {variable name: value}, weights, gradient of x, {variable name: gradient}).
    """
    rng = np.random.default_rng(seed)
    with tf.Graph().as_default():
        x = tf.constant(x, tf.float32)
        output = build(x)
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        values = {
            name: rng.normal(0, 0.7, variable.shape).astype(np.float32)
            for name, variable in variables.items()
        }
        upstream = tf.placeholder(tf.float32)
        gradients = tf.gradients(output, [x, *variables.values()], upstream)
        with new_session(1) as session:
            put(session, variables.values(), values.values())
            output = session.run(output)
            weights = rng.normal(size=output.shape).astype(np.float32)
            of_x, *rest = session.run(gradients, {upstream: weights})
    return output, values, weights, of_x, dict(zip(values, rest))


def put_by_name(session, variables):
    """Sets each variable to random values that depend only on its name and shape."""
    seeds = [
        [ord(character) for character in variable.op.name] + variable.shape.as_list()
        for variable in variables
    ]
    put(
        session,
        variables,
        [
            np.random.default_rng(seed).normal(0, 0.4, variable.shape)
            for variable, seed in zip(variables, seeds)
        ],
    )


def check(build, reference, x, seed=0):
    """Checks that build(tensor) returns the same as reference(x, variables), and that all gradients
    agree. reference computes in float64.
    """
    output, variables, weights, of_x, of_variables = layer(build, x, seed)
    names = list(variables)
    scalar = lambda x, *values: float((reference(x, dict(zip(names, values))) * weights).sum())
    np.testing.assert_allclose(output, reference(x, variables), atol=1e-5)
    expected = finite_differences(scalar, [x, *variables.values()])
    for name, got, want in zip(["x", *names], [of_x, *of_variables.values()], expected):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=2e-4, err_msg=name)
        assert name == "x" or np.abs(want).max() > 0
